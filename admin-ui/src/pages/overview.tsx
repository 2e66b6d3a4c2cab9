import { Card, Group, Progress, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { Suspense, lazy, useEffect, useState } from 'react'
import { api, type Schema } from '../api/client'
import { useAccount } from '../ui/account'
import { Loading } from '../ui/list'
import { Page } from '../ui/page'
import { NotYet } from '../ui/not-yet'
import { locale } from '../util/time'
import { t } from '../words/words'

const Rates = lazy(() => import('../ui/rates'))

/** How often figures are asked for, in milliseconds, and how many are kept. */
const EVERY = 5000
const KEPT = 60

export interface Moment {
  time: string
  requests: number
  refused: number
}

/** How the account is used now. */
export function OverviewPage() {
  const oid = useAccount()
  const usage = api.useQuery('get', '/v1/accounts/{oid}/management/usage', { params: { path: { oid } } }, { refetchInterval: EVERY })
  const moments = useMoments(usage.data)
  if (!usage.data) return <NotYet query={usage} />
  const { usage: own, rate, tree, permits } = usage.data
  return (
    <Page title={t('Overview')} about={t('The last {{seconds}} seconds, on the server that answers you.', { seconds: Math.round(usage.data.seconds) })}>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Figure name={t('Requests a second')} value={number(own.requests_per_second)} />
        <Figure name={t('Half answered within')} value={milliseconds(own.p50_ms)} />
        <Figure name={t('99 % answered within')} value={milliseconds(own.p99_ms)} />
        <Figure name={t('Refused for want of room')} value={number(refusals(own))} />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {rate && <Quota name={t('Left of the rate')} left={rate} />}
        {tree?.budget && <Quota name={t('Left of the budget of all accounts below')} left={tree.budget} />}
        <Figure name={t('Writes under way, of {{permits}}', { permits })} value={number(own.writes_under_way)} />
        <Figure name={t('Passwords hashed')} value={`${own.hashes} · ${number(own.hash_seconds)} s`} />
      </SimpleGrid>
      <Card withBorder>
        <Title order={2} size="h4" mb="sm">
          {tree ? t('With all accounts below, since you opened this page') : t('Since you opened this page')}
        </Title>
        <Suspense fallback={<Loading />}>
          <Rates moments={moments} />
        </Suspense>
      </Card>
      {tree && tree.busiest.length > 0 && (
        <Card withBorder>
          <Title order={2} size="h4" mb="sm">
            {t('Busiest accounts below')}
          </Title>
          <Table aria-label={t('Busiest accounts below')}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Account')}</Table.Th>
                <Table.Th>{t('Requests a second')}</Table.Th>
                <Table.Th>{t('Refused')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {tree.busiest.map((one) => (
                <Table.Tr key={one.account_id}>
                  <Table.Td>
                    <Link to="/$account" params={{ account: one.account_id }} className="row-link mono">
                      {one.account_id}
                    </Link>
                  </Table.Td>
                  <Table.Td>{number(one.usage.requests_per_second)}</Table.Td>
                  <Table.Td>{number(refusals(one.usage))}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Card>
      )}
    </Page>
  )
}

function useMoments(usage: Schema['AccountUsage'] | undefined): Moment[] {
  const [moments, setMoments] = useState<Moment[]>([])
  useEffect(() => {
    if (!usage) return
    const figures = usage.tree?.usage ?? usage.usage
    const time = new Date().toLocaleTimeString(locale())
    const moment = { time, requests: figures.requests_per_second, refused: refusals(figures) / Math.max(usage.seconds, 1) }
    setMoments((before) => [...before.slice(1 - KEPT), moment])
  }, [usage])
  return moments
}

function refusals({ refused }: Schema['UsageFigures']): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0)
}

function number(value: number): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(value)
}

function milliseconds(value: number | null | undefined): string {
  return value == null ? '–' : `${number(value)} ms`
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <Card withBorder>
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <Text size="xl" fw={650}>
        {value}
      </Text>
    </Card>
  )
}

function Quota({ name, left }: { name: string; left: Schema['QuotaLeft'] }) {
  const { quota, remaining } = left
  const share = (100 * remaining) / quota.burst
  return (
    <Card withBorder>
      <Stack gap="xs">
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            {name}
          </Text>
          <Text size="sm">{t('{{rate}}/s, {{burst}} at once', { rate: quota.requests_per_second, burst: quota.burst })}</Text>
        </Group>
        <Progress value={share} color={share < 10 ? 'red' : 'blue'} aria-label={name} />
        <Text fw={650}>{number(remaining)}</Text>
      </Stack>
    </Card>
  )
}
