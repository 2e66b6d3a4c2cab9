import { Badge, Button, Card, Code, Group, Stack, Switch, Table, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api, type Schema } from '../api/client'
import type { AuditSearch } from '../router'
import { useAccount } from '../ui/account'
import { Copy } from '../ui/copy'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, onePage, paged } from '../ui/pages'
import { Time } from '../ui/time'
import { changes } from '../util/changes'
import { inputTime, isTime } from '../util/time'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'

/** How often it is looked again while one follows, in milliseconds. */
const FOLLOW = 2000

/** What happened in the account, the latest first. */
export function AuditPage() {
  const oid = useAccount()
  const search = useSearch({ from: '/inside/$account/audit' })
  const [following, follow] = useState(false)
  const [shown, show] = useState<Schema['Event']>()
  const times = Object.fromEntries((['since', 'until'] as const).flatMap((name) => (isTime(search[name]) ? [[name, search[name]]] : [])))
  const query = { limit: PAGE, order: 'desc' as const, ...(search.type ? { type: search.type } : {}), ...(search.subject ? { subject: search.subject } : {}), ...times }
  const events = api.useInfiniteQuery(
    'get',
    '/v1/accounts/{oid}/management/events',
    { params: { path: { oid }, query } },
    { ...paged(), refetchInterval: (query) => following && onePage(query.state.data) && FOLLOW },
  )
  return (
    <Page
      title={t('Audit log')}
      about={t('Every change, by whom, from where. Nobody can alter it.')}
      action={<Switch label={t('Follow')} checked={following} onChange={(event) => follow(event.currentTarget.checked)} />}
    >
      <Filters key={JSON.stringify(search)} search={search} />
      <List
        label={t('Audit log')}
        rows={events}
        keyOf={(event) => event.id}
        empty={t('Nothing matches.')}
        columns={[
          { title: t('When'), cell: (event) => <Time at={event.created_at} relative={following} /> },
          {
            title: t('What'),
            cell: (event) => (
              <Button variant="subtle" size="compact-sm" className="mono" onClick={() => show(event)}>
                {event.type}
              </Button>
            ),
          },
          { title: t('Who'), wide: true, cell: (event) => <Who event={event} /> },
          { title: t('To what'), wide: true, cell: (event) => <span className="mono wrap">{event.target ?? ''}</span> },
        ]}
      />
      <Dialog opened={!!shown} onClose={() => show(undefined)} size="xl" title={shown?.type}>
        {shown && <Details event={shown} />}
      </Dialog>
    </Page>
  )
}

function Who({ event }: { event: Schema['Event'] }) {
  return (
    <Group gap={4}>
      <span className="mono wrap">{event.subject}</span>
      {event.act && <Badge color="yellow" variant="light">{t('for {{account}}', { account: event.act.oid })}</Badge>}
    </Group>
  )
}

function Filters({ search }: { search: AuditSearch }) {
  const navigate = useNavigate()
  const form = useForm({ initialValues: { type: search.type ?? '', subject: search.subject ?? '', since: inputTime(search.since), until: inputTime(search.until) } })
  const look = (values: Record<string, string>) => {
    // A time stands in the address with its zone: whoever gets the link sees the same.
    const time = (name: string, value: string) => (name === 'since' || name === 'until' ? new Date(value).toISOString() : value)
    const given = Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value ? [[name, time(name, value)]] : [])))
    void navigate({ to: '.', search: given as never })
  }
  return (
    <form onSubmit={form.onSubmit((values) => look(values))}>
      <Group align="flex-end" gap="sm">
        <TextInput label={t('What')} placeholder="role.created" {...form.getInputProps('type')} />
        <TextInput label={t('Who')} {...form.getInputProps('subject')} />
        <TextInput label={t('Since')} type="datetime-local" {...form.getInputProps('since')} />
        <TextInput label={t('Until')} type="datetime-local" {...form.getInputProps('until')} />
        <Button type="submit" variant="default">
          {t('Filter')}
        </Button>
        <Button variant="subtle" onClick={() => look({})}>
          {t('Clear')}
        </Button>
      </Group>
    </form>
  )
}

/** One event: who did it, from where, and what was before and after. */
function Details({ event }: { event: Schema['Event'] }) {
  const told: [string, React.ReactNode][] = [
    [t('When'), <Time key="when" at={event.created_at} />],
    [t('Who'), <Who key="who" event={event} />],
    [t('To what'), event.target ? <Copy key="what" value={event.target} /> : '–'],
    [t('From where'), event.ip ?? '–'],
    [t('Program'), event.user_agent ?? '–'],
    [t('Request'), event.request_id ? <Copy key="request" value={event.request_id} /> : '–'],
  ]
  const rows = changes(event.before, event.after)
  return (
    <Stack>
      <Card withBorder>
        <Table variant="vertical" layout="fixed">
          <Table.Tbody>
            {told.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={120}>{name}</Table.Th>
                <Table.Td className="wrap">{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
      {rows.length === 0 ? (
        <Text c="dimmed">{t('It changed no record.')}</Text>
      ) : (
        <Table aria-label={t('What changed')} withTableBorder>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Field')}</Table.Th>
              <Table.Th>{t('Before')}</Table.Th>
              <Table.Th>{t('After')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ field, before, after }) => (
              <Table.Tr key={field}>
                <Table.Td className="mono">{field}</Table.Td>
                <Table.Td>{before !== undefined && <Code className="wrap">{before}</Code>}</Table.Td>
                <Table.Td>{after !== undefined && <Code className="wrap">{after}</Code>}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Stack>
  )
}
