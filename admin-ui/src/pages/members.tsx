import { Badge, Group } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { Link, useSearch } from '@tanstack/react-router'
import { api } from '../api/client'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, paged } from '../ui/pages'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { t } from '../words/words'

/** People who administer the account. */
export function MembersPage() {
  const oid = useAccount()
  const { search } = useSearch({ from: '/inside/$account/users' })
  const query = { limit: PAGE, ...(search ? { search } : {}) }
  const members = api.useInfiniteQuery('get', '/v1/accounts/{oid}/management/users', { params: { path: { oid }, query } }, paged())
  return (
    <Page
      title={t('Users')}
      about={t('People who may sign in here, and what they may do.')}
      action={
        <Act
          account={oid}
          operation="inviteMember"
          leftSection={<IconPlus size={16} />}
          to={{ to: '/$account/users/$id', params: { account: oid, id: 'new' } as never }}
        >
          {t('Invite somebody')}
        </Act>
      }
    >
      <Search value={search} label={t('Search users')} />
      <List
        label={t('Users')}
        rows={members}
        keyOf={(member) => member.id}
        empty={search ? t('No user matches.') : t('Nobody is a user of this account yet. Invite somebody by e-mail.')}
        columns={[
          {
            title: t('Name'),
            cell: (member) => (
              <Link to="/$account/users/$id" params={{ account: oid, id: member.id }} className="row-link wrap">
                {member.name ?? member.email}
              </Link>
            ),
          },
          { title: t('E-mail'), wide: true, cell: (member) => <span className="wrap">{member.email}</span> },
          {
            title: t('Roles'),
            cell: (member) => (
              <Group gap={4}>
                {member.roles.map((role) => (
                  <Badge key={role.id} variant="light" tt="none">
                    {role.name ?? role.id}
                  </Badge>
                ))}
                {member.scope.length > 0 && (
                  <Badge variant="default" tt="none">
                    {t('{{count}} own scopes', { count: member.scope.length })}
                  </Badge>
                )}
              </Group>
            ),
          },
          {
            title: t('State'),
            wide: true,
            cell: (member) => !member.enabled && <Badge color="red" variant="light">{t('Shut out')}</Badge>,
          },
          { title: t('Invited'), wide: true, cell: (member) => <Time at={member.created_at} relative /> },
        ]}
      />
    </Page>
  )
}
