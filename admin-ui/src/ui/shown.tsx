import type { ReactNode } from 'react'
import { Loading } from './list'
import { TroublePage } from './trouble'

interface Query<T> {
  data?: T | undefined
  error: unknown
  isPending: boolean
  refetch: () => unknown
}

/** A page about what a question yields: until then, that it is asked; else, why it was not answered. */
export function Shown<T>({ query, children }: { query: Query<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data)
  return query.isPending ? <Loading /> : <TroublePage error={query.error} again={() => void query.refetch()} />
}
