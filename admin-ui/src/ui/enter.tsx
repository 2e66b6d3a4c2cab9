import { Button, type ButtonProps, Tooltip } from '@mantine/core'
import { IconLogin2 } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { t } from '../words/words'
import { useToken } from './allowed'

interface EnterProps extends ButtonProps {
  /** The account that one is in. */
  from: string
  /** The one below it. */
  to: string
  name: string
}

/** Into an account below. Whoever came from above goes no deeper: each account is entered from the one directly above it. */
export function Enter({ from, to, name, ...rest }: EnterProps) {
  const { data: token } = useToken(from)
  const look = { ...rest, leftSection: <IconLogin2 size={16} />, 'aria-label': t('Enter {{name}}', { name }) }
  if (token?.through) {
    return (
      <Tooltip label={t('Only a user of {{account}} itself can: you came from above.', { account: from })} events={{ hover: true, focus: true, touch: true }}>
        <Button {...look} data-disabled aria-disabled onClick={(event) => event.preventDefault()}>
          {t('Enter')}
        </Button>
      </Tooltip>
    )
  }
  return (
    <Button {...look} component={Link} to="/$account" params={{ account: to } as never}>
      {t('Enter')}
    </Button>
  )
}
