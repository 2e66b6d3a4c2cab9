import { Card, Group, List as Items, NumberInput, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { Problem } from '../api/session'
import { Act } from '../ui/allowed'
import { confirm } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { Loading } from '../ui/list'
import { Page } from '../ui/page'
import { Scopes } from '../ui/scopes'
import { SecretOnce } from '../ui/secret-once'
import { Time } from '../ui/time'
import { NotYet } from '../ui/not-yet'
import { Dialog } from '../ui/dialog'
import { Trouble } from '../ui/trouble'
import { useOnce } from '../ui/use-once'
import { t } from '../words/words'

/** One client: its secrets, and what hangs on it. */
export function ClientPage() {
  const { account: oid, id } = useParams({ from: '/inside/$account/clients/$id' })
  const navigate = useNavigate()
  const one = api.useQuery('get', '/v1/accounts/{oid}/auth/clients/{id}', { params: { path: { oid, id } } })
  const clientId = one.data?.client_id ?? ''
  const grants = api.useQuery(
    'get',
    '/v1/accounts/{oid}/auth/client-grants',
    { params: { path: { oid }, query: { client_id: clientId } } },
    { enabled: clientId !== '' },
  )
  if (!one.data) return <NotYet query={one} />
  const found = one.data
  const erase = () =>
    confirm({
      title: t('Delete {{name}}?', { name: found.name ?? found.client_id }),
      consequence: (
        <Stack gap="xs">
          <span>{t('The program that uses it stops working at once. What goes with it:')}</span>
          {!grants.data && <Text c="red">{t('What hangs on it cannot be told now.')}</Text>}
          <Items size="sm">
            {(grants.data ?? []).map((grant) => (
              <Items.Item key={grant.id}>{grant.audience}</Items.Item>
            ))}
          </Items>
        </Stack>
      ),
      act: t('Delete'),
      typed: found.client_id,
      run: async () => {
        await client.DELETE('/v1/accounts/{oid}/auth/clients/{id}', { params: { path: { oid, id } } })
        await navigate({ to: '/$account/clients', params: { account: oid } })
      },
      done: t('{{name}} is deleted.', { name: found.name ?? found.client_id }),
    })
  return (
    <Page
      title={found.name ?? found.client_id}
      up={{ title: t('Clients'), to: '/$account/clients', params: { account: oid } as never }}
      about={found.description ?? undefined}
      action={
        <Act account={oid} operation="deleteClient" color="red" variant="outline" onClick={erase}>
          {t('Delete')}
        </Act>
      }
    >
      <Card withBorder>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Told name={t('Client ID')}>
            <Copy value={found.client_id} />
          </Told>
          <Told name={t('Secret last used')}>{found.last_used_at ? <Time at={found.last_used_at} relative /> : t('Never')}</Told>
          <Told name={t('Callbacks')}>{found.callbacks.length > 0 ? found.callbacks.join(', ') : t('None')}</Told>
          <Told name={t('Made')}>
            <Time at={found.created_at} />
          </Told>
        </SimpleGrid>
      </Card>
      <Secrets oid={oid} id={id} />
      <Card withBorder>
        <Title order={2} size="h4" mb="sm">
          {t('Grants')}
        </Title>
        <Stack>
          {(grants.data ?? []).map((grant) => (
            <div key={grant.id}>
              <Text size="sm" className="wrap" mb={4}>
                {grant.audience}
              </Text>
              <Scopes all={grant.scope} />
            </div>
          ))}
          {grants.error && <Trouble error={grants.error} again={() => void grants.refetch()} />}
          {grants.data?.length === 0 && <Text c="dimmed">{t('None: it can get no token yet.')}</Text>}
        </Stack>
      </Card>
    </Page>
  )
}

function Told({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <Text component="div" className="wrap">
        {children}
      </Text>
    </div>
  )
}

function Secrets({ oid, id }: { oid: string; id: string }) {
  const path = { oid, id }
  const [asking, ask] = useDisclosure(false)
  const [overlap, setOverlap] = useState<number | string>(60)
  const [made, setMade] = useState<Schema['ClientWithSecret']>()
  const old = api.useQuery('get', '/v1/accounts/{oid}/auth/clients/{id}/old-secret', { params: { path } }, { retry: false })
  // Without one the server answers 404, and what was known before is no more.
  const gone = old.error instanceof Problem && old.error.status === 404
  const alive = gone ? undefined : old.data
  const rotate = useOnce(async () => {
    const query = { overlap: Number(overlap) * 60 }
    setMade((await client.POST('/v1/accounts/{oid}/auth/clients/{id}/rotate-secret', { params: { path, query } })).data)
  })
  const close = () => {
    ask.close()
    setMade(undefined)
  }
  const end = () =>
    confirm({
      title: t('End the old secret?'),
      consequence: t('Whoever still uses it is refused from the next request on.'),
      act: t('End it'),
      run: async () => {
        await client.DELETE('/v1/accounts/{oid}/auth/clients/{id}/old-secret', { params: { path } })
      },
    })
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t('Secrets')}
        </Title>
        <Act account={oid} operation="rotateClientSecret" variant="default" onClick={ask.open}>
          {t('Rotate the secret')}
        </Act>
      </Group>
      {old.isPending ? (
        <Loading />
      ) : old.error && !gone ? (
        <Trouble error={old.error} again={() => void old.refetch()} />
      ) : alive ? (
        <Group justify="space-between">
          <Text size="sm" component="div">
            {t('The old secret ends')} <Time at={alive.expires_at} relative />; {t('last used')}{' '}
            {alive.last_used_at ? <Time at={alive.last_used_at} relative /> : t('never')}.
          </Text>
          <Act account={oid} operation="deleteOldSecret" size="xs" color="red" variant="outline" onClick={end}>
            {t('End it now')}
          </Act>
        </Group>
      ) : (
        <Text size="sm" c="dimmed">
          {t('One secret is alive.')}
        </Text>
      )}
      <Dialog
        opened={asking}
        onClose={close}
        title={t('Rotate the secret')}
        closeOnClickOutside={!made}
        closeOnEscape={!made}
        withCloseButton={!made}
      >
        {made ? (
          <SecretOnce made={made} onDone={close} />
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              rotate.onClick()
            }}
          >
            <NumberInput
              label={t('Minutes for which both secrets work')}
              description={t('0 ends the old one at once; at most 1440, a day.')}
              min={0}
              max={1440}
              required
              value={overlap}
              onChange={setOverlap}
              data-autofocus
              mb="md"
            />
            <Group justify="flex-end">
              <Act account={oid} operation="rotateClientSecret" type="submit" loading={rotate.loading}>
                {t('Make a new secret')}
              </Act>
            </Group>
          </form>
        )}
      </Dialog>
    </Card>
  )
}
