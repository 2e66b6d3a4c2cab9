import { Loading } from './list'
import { TroublePage } from './trouble'

/**
 * A page whose data are not there: until they are, that they are asked for; else, why they did not come. Data that are there stay when
 * another look at them fails, with all that was typed.
 */
export function NotYet({ query }: { query: { error: unknown; refetch: () => unknown } }) {
  return query.error ? <TroublePage error={query.error} again={() => void query.refetch()} /> : <Loading />
}
