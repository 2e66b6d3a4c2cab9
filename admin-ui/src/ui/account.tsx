import { Alert, Badge, Button, Group, Stack, Text } from '@mantine/core'
import { IconArrowBackUp, IconMask } from '@tabler/icons-react'
import { Link, Outlet, useParams } from '@tanstack/react-router'
import { useEffect } from 'react'
import { dropFor } from '../api/session'
import { isLive } from '../util/accounts'
import { t } from '../words/words'
import { useToken } from './allowed'
import { NotYet } from './not-yet'

/** The account in the address. */
export function useAccount(): string {
  return useParams({ from: '/inside/$account' }).account
}

/** What is about one account: nothing before one is in it, and always in whose name. */
export function AccountFrame() {
  const account = useAccount()
  const token = useToken(account)
  // A token to act for somebody else is not kept any longer than one does.
  useEffect(() => () => dropFor(account), [account])
  if (!token.data) {
    return (
      <Stack>
        <NotYet query={token} />
        {token.error && (
          <Group>
            <Button component={Link} to="/" variant="default">
              {t('All accounts')}
            </Button>
          </Group>
        )}
      </Stack>
    )
  }
  const through = token.data.through
  return (
    <Stack gap="lg">
      {through && (
        <Alert color="yellow" variant="light" icon={<IconMask />} p="xs" aria-label={t('Acting')}>
          <Group justify="space-between" gap="xs">
            <Text size="sm">{t('Acting on {{account}} as {{through}}', { account, through })}</Text>
            <Button
              component={Link}
              to="/$account/accounts"
              params={{ account: through } as never}
              size="compact-sm"
              variant="default"
              leftSection={<IconArrowBackUp size={14} />}
            >
              {t('Leave')}
            </Button>
          </Group>
        </Alert>
      )}
      {/* Another account is another place: nothing that was typed goes along. */}
      <Outlet key={account} />
    </Stack>
  )
}

/** Production or test, by colour and by word. */
export function Mode({ account }: { account: string }) {
  return isLive(account) ? (
    <Badge color="red" variant="light" flex="none">
      {t('Production')}
    </Badge>
  ) : (
    <Badge color="teal" variant="light" flex="none">
      {t('Test')}
    </Badge>
  )
}
