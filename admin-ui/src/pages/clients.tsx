import { Group } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { Link, useSearch } from '@tanstack/react-router'
import { api } from '../api/client'
import { NewClient } from '../forms/new-client'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { Copy } from '../ui/copy'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { whole } from '../ui/pages'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { t } from '../words/words'

/** Programs that may ask for tokens. */
export function ClientsPage() {
  const oid = useAccount()
  const { search } = useSearch({ from: '/inside/$account/clients' })
  const [making, { open, close }] = useDisclosure(false)
  const clients = api.useQuery('get', '/v1/accounts/{oid}/auth/clients', { params: { path: { oid } } })
  const wanted = (search ?? '').toLowerCase()
  return (
    <Page
      title={t('Clients')}
      about={t('Programs that ask for tokens with a secret. What they may do stands in grants.')}
      action={
        <Act account={oid} operation="createClient" leftSection={<IconPlus size={16} />} onClick={open}>
          {t('New client')}
        </Act>
      }
    >
      <Search value={search} label={t('Search clients')} />
      <List
        label={t('Clients')}
        rows={whole(clients, (one) => `${one.client_id} ${one.name ?? ''} ${one.description ?? ''}`.toLowerCase().includes(wanted))}
        keyOf={(one) => one.id}
        empty={search ? t('No client matches.') : t('There is no client yet. Create one for each program that calls the API.')}
        columns={[
          {
            title: t('Name'),
            cell: (one) => (
              <Link to="/$account/clients/$id" params={{ account: oid, id: one.id }} className="row-link wrap">
                {one.name ?? one.client_id}
              </Link>
            ),
          },
          { title: t('Client ID'), wide: true, cell: (one) => <Copy value={one.client_id} /> },
          {
            title: t('Last used'),
            cell: (one) => <Group gap={4}>{one.last_used_at ? <Time at={one.last_used_at} relative /> : t('Never')}</Group>,
          },
          { title: t('Made'), wide: true, cell: (one) => <Time at={one.created_at} relative /> },
        ]}
      />
      <NewClient account={oid} opened={making} onClose={close} />
    </Page>
  )
}
