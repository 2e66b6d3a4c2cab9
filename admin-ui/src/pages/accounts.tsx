import { Badge, Group } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { Link, useSearch } from '@tanstack/react-router'
import { api } from '../api/client'
import { NewAccount } from '../forms/new-account'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { Enter } from '../ui/enter'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, paged } from '../ui/pages'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { t } from '../words/words'

/** A partner's accounts, however many there are. */
export function AccountsPage() {
  const oid = useAccount()
  const { search } = useSearch({ from: '/inside/$account/accounts' })
  const [making, { open, close }] = useDisclosure(false)
  const query = { limit: PAGE, ...(search ? { search } : {}) }
  const accounts = api.useInfiniteQuery('get', '/v1/accounts/{oid}/management/accounts', { params: { path: { oid }, query } }, paged())
  return (
    <Page
      title={t('Accounts')}
      about={t('The accounts below this one. Enter one to act on it.')}
      action={
        <Act account={oid} operation="createAccount" leftSection={<IconPlus size={16} />} onClick={open}>
          {t('New account')}
        </Act>
      }
    >
      <Search value={search} label={t('Search accounts')} />
      <List
        label={t('Accounts')}
        rows={accounts}
        keyOf={(one) => one.id}
        empty={search ? t('No account matches.') : t('There is no account below this one yet. Create one for each customer of yours.')}
        columns={[
          {
            title: t('Name'),
            cell: (one) => (
              <Link to="/$account/accounts/$below" params={{ account: oid, below: one.account_id }} className="row-link wrap">
                {one.display_name}
              </Link>
            ),
          },
          { title: t('Number'), wide: true, cell: (one) => <span className="mono">{one.account_id}</span> },
          {
            title: t('State'),
            cell: (one) => (
              <Group gap={4}>
                {!one.active && <Badge color="orange">{t('Suspended')}</Badge>}
                {one.frozen && <Badge color="cyan">{t('Frozen')}</Badge>}
                {one.active && !one.frozen && <Badge color="teal" variant="light">{t('Open')}</Badge>}
              </Group>
            ),
          },
          { title: t('Made'), wide: true, cell: (one) => <Time at={one.created_at} relative /> },
          {
            title: t('Go in'),
            cell: (one) => <Enter from={oid} to={one.account_id} name={one.display_name} size="compact-sm" variant="default" />,
          },
        ]}
      />
      <NewAccount account={oid} opened={making} onClose={close} />
    </Page>
  )
}
