import { Button, type ButtonProps, Tooltip } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, type LinkProps } from '@tanstack/react-router'
import type { MouseEventHandler } from 'react'
import { needs } from '../api/needs'
import { enter } from '../api/session'
import { type Operation, allows } from '../util/scopes'
import { t } from '../words/words'

/** The token that one has on an account now: its scopes, and through whom. */
export function useToken(account: string) {
  return useQuery({ queryKey: ['token', account], queryFn: () => enter(account), staleTime: 0 })
}

/** Why one may not do something on an account; nothing if one may. */
export function useRefusal(account: string, operation: Operation): string | undefined {
  const { data: token } = useToken(account)
  if (!token || allows(token.scopes, operation)) return undefined
  return t('Needs {{scopes}}', { scopes: needs[operation].join(` ${t('or')} `) })
}

interface ActProps extends ButtonProps {
  account: string
  /** What it does: whoever may not is told why. */
  operation: Operation
  to?: LinkProps
  onClick?: MouseEventHandler<HTMLButtonElement>
  type?: 'submit' | 'button'
}

/** A button for whoever may; for others it is there, and says why not. */
export function Act({ account, operation, to, onClick, type = 'button', ...rest }: ActProps) {
  const refusal = useRefusal(account, operation)
  if (refusal) {
    return (
      <Tooltip label={refusal} events={{ hover: true, focus: true, touch: true }}>
        <Button {...rest} type="button" data-disabled aria-disabled onClick={(event) => event.preventDefault()} />
      </Tooltip>
    )
  }
  if (to) return <Button {...rest} component={Link} {...(to as object)} />
  return <Button {...rest} type={type} {...(onClick ? { onClick } : {})} />
}
