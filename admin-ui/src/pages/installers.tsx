import { Badge, Group, Select } from '@mantine/core'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { client, type Schema } from '../api/client'
import { useAccount } from '../ui/account'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, usePages } from '../ui/pages'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { t } from '../words/words'

const STATES = ['under_review', 'approved', 'rejected', 'not_submitted'] as const
const COLOURS: Record<string, string> = { under_review: 'yellow', approved: 'teal', rejected: 'red', not_submitted: 'gray' }

/** How far the check of an installer has come. */
export function Verification({ state }: { state: Schema['VerificationState'] }) {
  const words = { under_review: t('Under review'), approved: t('Approved'), rejected: t('Rejected'), not_submitted: t('Nothing handed in') }
  return (
    <Badge color={COLOURS[state] ?? 'gray'} variant="light">
      {words[state as keyof typeof words] ?? state}
    </Badge>
  )
}

/** Field installers, those first who wait for a decision. */
export function InstallersPage() {
  const aid = useAccount()
  const search = useSearch({ from: '/inside/$account/installers' })
  const navigate = useNavigate()
  const filters = { ...(search.search ? { search: search.search } : {}), ...(search.state ? { verification_status: search.state } : {}) }
  const installers = usePages(['installers', aid, filters], (after) => {
    const query = { limit: PAGE, ...filters, ...(after ? { starting_after: after } : {}) }
    return client.GET('/v1/accounts/{aid}/management/installers', { params: { path: { aid }, query } })
  })
  const words = { under_review: t('Under review'), approved: t('Approved'), rejected: t('Rejected'), not_submitted: t('Nothing handed in') }
  return (
    <Page title={t('Installers')} about={t('People who work in the field, and who they are.')}>
      <Group gap="sm">
        <Search value={search.search} label={t('Search installers')} />
        <Select
          aria-label={t('State')}
          placeholder={t('Any state')}
          clearable
          data={STATES.map((value) => ({ value, label: words[value] }))}
          value={search.state ?? null}
          onChange={(value) => void navigate({ to: '.', search: (before: object) => ({ ...before, state: value ?? undefined }) as never, replace: true })}
        />
      </Group>
      <List
        label={t('Installers')}
        rows={installers}
        keyOf={(one) => one.installer_id}
        empty={Object.keys(filters).length > 0 ? t('No installer matches.') : t('Nobody has signed up yet.')}
        columns={[
          {
            title: t('Name'),
            cell: (one) => (
              <Link to="/$account/installers/$id" params={{ account: aid, id: one.installer_id }} className="row-link wrap">
                {one.first_name} {one.last_name}
              </Link>
            ),
          },
          { title: t('Company'), wide: true, cell: (one) => <span className="wrap">{one.company}</span> },
          { title: t('E-mail'), wide: true, cell: (one) => <span className="wrap">{one.email}</span> },
          {
            title: t('State'),
            cell: (one) => (
              <Group gap={4}>
                <Verification state={one.verification_status} />
                {one.suspended && <Badge color="orange">{t('Suspended')}</Badge>}
              </Group>
            ),
          },
          { title: t('Signed up'), wide: true, cell: (one) => <Time at={one.created_at} relative /> },
        ]}
      />
    </Page>
  )
}
