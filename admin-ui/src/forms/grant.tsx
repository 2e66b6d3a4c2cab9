import { Fieldset, Group, PasswordInput, Select, Stack, TextInput } from '@mantine/core'
import { type UseFormReturnType, useForm } from '@mantine/form'
import { api, client, type Schema } from '../api/client'
import { addressOf } from '../api/session'
import { useToken } from '../ui/allowed'
import { ScopeMatrix } from '../ui/scopes'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

const TYPES: Schema['GrantType'][] = ['any', 'client_credentials', 'password', 'authorization_code']

interface Values {
  client_id: string
  audience: string
  type: Schema['GrantType']
  scope: string[]
  oidc: Schema['OidcConfig']
}

/** A new grant, or other scopes of one there is. */
export function GrantForm({ account: oid, grant, onClose }: { account: string; grant: Schema['Grant'] | undefined; onClose: () => void }) {
  const { data: token } = useToken(oid)
  const clients = api.useQuery('get', '/v1/accounts/{oid}/auth/clients', { params: { path: { oid } } })
  const form = useForm<Values>({
    initialValues: {
      client_id: grant?.client_id ?? '',
      audience: grant?.audience ?? (token ? addressOf(token) : ''),
      type: grant?.type ?? 'any',
      scope: grant?.scope ?? [],
      oidc: { authority: grant?.oidc?.authority ?? '', client_id: grant?.oidc?.client_id ?? '', client_secret: '' },
    },
  })
  const { submit, saving } = useSave(
    form,
    async ({ oidc, ...body }) => {
      if (grant) return client.PATCH('/v1/accounts/{oid}/auth/client-grants/{id}', { params: { path: { oid, id: grant.id } }, body: { scope: body.scope } })
      const vouched = body.type === 'authorization_code' && oidc.authority ? { oidc } : {}
      return client.POST('/v1/accounts/{oid}/auth/client-grants', { params: { path: { oid } }, body: { ...body, ...vouched } })
    },
    onClose,
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <Select
          label={t('Client')}
          required
          searchable
          disabled={!!grant}
          data={(clients.data ?? []).map((one) => ({ value: one.client_id, label: one.name ? `${one.name} (${one.client_id})` : one.client_id }))}
          {...form.getInputProps('client_id')}
        />
        <TextInput
          label={t('Audience')}
          description={t('This account, one directly below it, or a service of yours elsewhere.')}
          required
          disabled={!!grant}
          {...form.getInputProps('audience')}
        />
        <Select label={t('Type')} description={t('Which request for a token may use it.')} allowDeselect={false} disabled={!!grant} data={TYPES} {...form.getInputProps('type')} />
        {form.values.type === 'authorization_code' && <Provider form={form} fixed={!!grant} />}
        <ScopeMatrix
          label={t('Scopes')}
          value={form.values.scope}
          onChange={(scope) => form.setFieldValue('scope', scope)}
          held={token?.scopes ?? new Set()}
          error={form.errors.scope}
        />
        <End account={oid} operation={grant ? 'updateClientGrant' : 'createClientGrant'} saving={saving} onCancel={onClose} />
      </Stack>
    </form>
  )
}

/** The identity provider that vouches for people, if it is not this server. */
function Provider({ form, fixed }: { form: UseFormReturnType<Values>; fixed: boolean }) {
  return (
    <Fieldset legend={t('Identity provider')}>
      <Stack>
        <TextInput
          label={t('Issuer')}
          description={t('An address that begins with https://; left out: people log in here.')}
          placeholder="https://login.example.com"
          disabled={fixed}
          {...form.getInputProps('oidc.authority')}
          error={form.errors['oidc.authority'] ?? form.errors.oidc}
        />
        {form.values.oidc.authority && (
          <Group grow align="flex-start">
            <TextInput label={t('Our client ID there')} required disabled={fixed} {...form.getInputProps('oidc.client_id')} />
            {!fixed && (
              <PasswordInput
                label={t('Our secret there')}
                description={t('Sealed, and never shown again.')}
                required
                autoComplete="off"
                {...form.getInputProps('oidc.client_secret')}
              />
            )}
          </Group>
        )}
      </Stack>
    </Fieldset>
  )
}
