/** Account numbers: a mode letter, three digits of the partner, five of the account below it; `000` is the operator. */

export function isLive(account: string): boolean {
  return account.startsWith('P')
}

export function isPartner(account: string): boolean {
  return account.endsWith('00000')
}

/** The account above; none above the operator. */
export function parentOf(account: string): string | undefined {
  if (account.slice(1) === '00000000') return undefined
  return isPartner(account) ? `${account[0]}00000000` : `${account.slice(0, 4)}00000`
}
