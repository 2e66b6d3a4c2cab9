import { Badge } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { api, type Schema } from '../api/client'
import { NewAuthUser } from '../forms/auth-user'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, paged } from '../ui/pages'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'

/** People who log in through the account's clients. */
export function AuthUsersPage() {
  const aid = useAccount()
  const { search } = useSearch({ from: '/inside/$account/auth-users' })
  const [making, { open, close }] = useDisclosure(false)
  const navigate = useNavigate()
  const query = { limit: PAGE, ...(search ? { search } : {}) }
  const users = api.useInfiniteQuery('get', '/v1/accounts/{aid}/auth/users', { params: { path: { aid }, query } }, paged())
  return (
    <Page
      title={t('Auth users')}
      about={t('People with a username and a password, who log in through your clients.')}
      action={
        <Act account={aid} operation="createUser" leftSection={<IconPlus size={16} />} onClick={open}>
          {t('New auth user')}
        </Act>
      }
    >
      <Search value={search} label={t('Search auth users')} />
      <List
        label={t('Auth users')}
        rows={users}
        keyOf={(user) => user.id}
        empty={search ? t('No username begins so.') : t('There is no auth user yet. Create one, or let your program do it.')}
        columns={[
          {
            title: t('Username'),
            sort: (user) => user.username,
            cell: (user) => (
              <Link to="/$account/auth-users/$name" params={{ account: aid, name: user.username }} className="row-link wrap">
                {user.username}
              </Link>
            ),
          },
          { title: t('State'), cell: (user) => <Enabled user={user} /> },
          { title: t('Second factor'), wide: true, cell: (user) => factors(user) || t('None') },
          { title: t('Made'), wide: true, sort: (user) => user.created_at ?? '', cell: (user) => <Time at={user.created_at} relative /> },
        ]}
      />
      <Dialog opened={making} onClose={close} title={t('New auth user')} size="lg">
        <NewAuthUser
          account={aid}
          onClose={close}
          onMade={(name) => void navigate({ to: '/$account/auth-users/$name', params: { account: aid, name } })}
        />
      </Dialog>
    </Page>
  )
}

/** Whether somebody may log in. */
export function Enabled({ user }: { user: Schema['AuthUser'] }) {
  return user.enabled ? (
    <Badge color="teal" variant="light">
      {t('May log in')}
    </Badge>
  ) : (
    <Badge color="red" variant="light">
      {t('Shut out')}
    </Badge>
  )
}

/** What is asked for after the password. */
export function factors(user: Schema['AuthUser']): string {
  const names = { sms: t('Text message'), email: t('E-mail') }
  return [...(user.totp ? [t('App')] : []), ...(user.mfa?.oob_channels ?? []).map((channel) => names[channel])].join(', ')
}
