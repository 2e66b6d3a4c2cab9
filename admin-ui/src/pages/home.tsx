import { Anchor, Badge, Card, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ownUser } from '../api/session'
import { Mode } from '../ui/account'
import { Page } from '../ui/page'
import { Time } from '../ui/time'
import { NotYet } from '../ui/not-yet'
import { t } from '../words/words'

/** The accounts that one belongs to. */
export function HomePage() {
  const user = useQuery({ queryKey: ['own user'], queryFn: () => ownUser(true) })
  if (!user.data) return <NotYet query={user} />
  const { accounts } = user.data
  return (
    <Page title={t('Your accounts')}>
      {accounts.length === 0 && <Text c="dimmed">{t('You belong to no account. Ask somebody who administers one to invite you.')}</Text>}
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
        {accounts.map((one) => (
          <Card key={one.account_id} withBorder padding="lg">
            <Stack gap="xs">
              <Group justify="space-between" wrap="nowrap">
                <Anchor component={Link} to="/$account" params={{ account: one.account_id } as never} fw={600} className="wrap">
                  {one.display_name}
                </Anchor>
                <Mode account={one.account_id} />
              </Group>
              <Text className="mono" c="dimmed" size="sm">
                {one.account_id}
              </Text>
              <Group justify="space-between">
                <Text size="sm" c="dimmed">
                  {one.user.last_seen_at ? <Time at={one.user.last_seen_at} relative /> : t('Not entered yet')}
                </Text>
                {!one.active && <Badge color="orange">{t('Suspended')}</Badge>}
              </Group>
            </Stack>
          </Card>
        ))}
      </SimpleGrid>
    </Page>
  )
}
