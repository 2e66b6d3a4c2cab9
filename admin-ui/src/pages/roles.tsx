import { Text } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { Link, useSearch } from '@tanstack/react-router'
import { api } from '../api/client'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, paged } from '../ui/pages'
import { Scopes } from '../ui/scopes'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { t } from '../words/words'

/** Named bundles of scopes. */
export function RolesPage() {
  const oid = useAccount()
  const { search } = useSearch({ from: '/inside/$account/roles' })
  const query = { limit: PAGE, ...(search ? { search } : {}) }
  const roles = api.useInfiniteQuery('get', '/v1/accounts/{oid}/auth/roles', { params: { path: { oid }, query } }, paged())
  return (
    <Page
      title={t('Roles')}
      about={t('What people may do, by name. Whoever holds a role feels a change at the very next request.')}
      action={
        <Act
          account={oid}
          operation="createRole"
          leftSection={<IconPlus size={16} />}
          to={{ to: '/$account/roles/$id', params: { account: oid, id: 'new' } as never }}
        >
          {t('New role')}
        </Act>
      }
    >
      <Search value={search} label={t('Search roles')} />
      <List
        label={t('Roles')}
        rows={roles}
        keyOf={(role) => role.id}
        empty={search ? t('No role matches.') : t('There is no role yet. Make one, then give it to users.')}
        columns={[
          {
            title: t('Name'),
            cell: (role) => (
              <>
                <Link to="/$account/roles/$id" params={{ account: oid, id: role.id }} className="row-link wrap">
                  {role.name ?? t('Without a name')}
                </Link>
                {role.description && (
                  <Text size="sm" c="dimmed" className="wrap">
                    {role.description}
                  </Text>
                )}
              </>
            ),
          },
          { title: t('Scopes'), cell: (role) => <Scopes all={role.scope} /> },
          { title: t('Changed'), wide: true, cell: (role) => <Time at={role.updated_at} relative /> },
        ]}
      />
    </Page>
  )
}
