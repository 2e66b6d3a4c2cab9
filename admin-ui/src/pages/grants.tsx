import { Badge, Group, Modal, Select, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { queries } from '../api/queries'
import { addressOf } from '../api/session'
import { End } from '../forms/end'
import { useSave } from '../forms/use-save'
import { useAccount } from '../ui/account'
import { Act, useToken } from '../ui/allowed'
import { confirm } from '../ui/confirm'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { whole } from '../ui/pages'
import { ScopeMatrix, Scopes } from '../ui/scopes'
import { t } from '../words/words'

/** What clients may ask for, and for whom. */
export function GrantsPage() {
  const oid = useAccount()
  const [shown, { open, close }] = useDisclosure(false)
  const [changed, setChanged] = useState<Schema['Grant']>()
  const grants = api.useQuery('get', '/v1/accounts/{oid}/auth/client-grants', { params: { path: { oid } } })
  const edit = (grant?: Schema['Grant']) => {
    setChanged(grant)
    open()
  }
  const erase = (grant: Schema['Grant']) =>
    confirm({
      title: t('Withdraw this grant?'),
      consequence: t('{{client}} gets no more tokens for {{audience}}, and those it has are worth nothing any more.', {
        client: grant.client_id,
        audience: grant.audience,
      }),
      act: t('Withdraw'),
      run: async () => {
        await client.DELETE('/v1/accounts/{oid}/auth/client-grants/{id}', { params: { path: { oid, id: grant.id } } })
        await queries.invalidateQueries()
      },
      done: t('The grant is withdrawn.'),
    })
  return (
    <Page
      title={t('Grants')}
      about={t('What a client may do, and where. A change holds at the very next request.')}
      action={
        <Act account={oid} operation="createClientGrant" leftSection={<IconPlus size={16} />} onClick={() => edit()}>
          {t('New grant')}
        </Act>
      }
    >
      <List
        label={t('Grants')}
        rows={whole(grants)}
        keyOf={(grant) => grant.id}
        empty={t('There is no grant yet. A client needs one to get a token.')}
        columns={[
          { title: t('Client'), cell: (grant) => <span className="mono wrap">{grant.client_id}</span> },
          { title: t('Audience'), wide: true, cell: (grant) => <span className="wrap">{grant.audience}</span> },
          { title: t('Type'), wide: true, cell: (grant) => <Badge variant="default">{grant.type}</Badge> },
          { title: t('Scopes'), cell: (grant) => <Scopes all={grant.scope} /> },
          {
            title: t('Change'),
            cell: (grant) => (
              <Group gap="xs" wrap="nowrap">
                <Act account={oid} operation="updateClientGrant" size="compact-sm" variant="default" onClick={() => edit(grant)}>
                  {t('Edit')}
                </Act>
                <Act account={oid} operation="deleteClientGrant" size="compact-sm" color="red" variant="outline" onClick={() => erase(grant)}>
                  {t('Withdraw')}
                </Act>
              </Group>
            ),
          },
        ]}
      />
      <Modal opened={shown} onClose={close} size="xl" title={changed ? t('Edit the grant') : t('New grant')}>
        <GrantForm account={oid} grant={changed} onClose={close} />
      </Modal>
    </Page>
  )
}

const TYPES: Schema['GrantType'][] = ['any', 'client_credentials', 'password', 'authorization_code']

function GrantForm({ account: oid, grant, onClose }: { account: string; grant: Schema['Grant'] | undefined; onClose: () => void }) {
  const { data: token } = useToken(oid)
  const clients = api.useQuery('get', '/v1/accounts/{oid}/auth/clients', { params: { path: { oid } } })
  const form = useForm({
    initialValues: {
      client_id: grant?.client_id ?? '',
      audience: grant?.audience ?? (token ? addressOf(token) : ''),
      type: grant?.type ?? ('any' as Schema['GrantType']),
      scope: grant?.scope ?? [],
    },
  })
  const { submit, saving } = useSave(
    form,
    async (body) =>
      grant
        ? client.PATCH('/v1/accounts/{oid}/auth/client-grants/{id}', { params: { path: { oid, id: grant.id } }, body: { scope: body.scope } })
        : client.POST('/v1/accounts/{oid}/auth/client-grants', { params: { path: { oid } }, body }),
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
