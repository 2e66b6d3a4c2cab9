import { Badge, Group, Stack, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { GrantForm } from '../forms/grant'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { confirm } from '../ui/confirm'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { whole } from '../ui/pages'
import { Scopes } from '../ui/scopes'
import { Dialog } from '../ui/dialog'
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
          { title: t('Type'), wide: true, cell: (grant) => <Type grant={grant} /> },
          { title: t('Scopes'), cell: (grant) => <Scopes all={grant.scope} /> },
          {
            title: t('Change'),
            cell: (grant) => (
              <Group gap="xs">
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
      <Dialog opened={shown} onClose={close} size="xl" title={changed ? t('Edit the grant') : t('New grant')}>
        <GrantForm account={oid} grant={changed} onClose={close} />
      </Dialog>
    </Page>
  )
}

/** Which requests may use it, and who vouches for people there. */
function Type({ grant }: { grant: Schema['Grant'] }) {
  return (
    <Stack gap={2} align="flex-start">
      <Badge variant="default">{grant.type}</Badge>
      {grant.oidc && (
        <Text size="xs" c="dimmed" className="wrap">
          {grant.oidc.authority}
        </Text>
      )}
    </Stack>
  )
}
