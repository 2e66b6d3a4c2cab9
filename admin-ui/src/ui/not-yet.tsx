import { Loading } from './list'
import { Trouble, TroublePage } from './trouble'

interface NotYetProps {
  query: { error: unknown; refetch: () => unknown }
  /** Only a part of a page is about it. */
  part?: boolean
}

/**
 * What is shown where data are not there: until they are, that they are asked for; else, why they did not come. Data that are there stay
 * when another look at them fails, with all that was typed.
 */
export function NotYet({ query, part = false }: NotYetProps) {
  if (!query.error) return <Loading />
  const Told = part ? Trouble : TroublePage
  return <Told error={query.error} again={() => void query.refetch()} />
}
