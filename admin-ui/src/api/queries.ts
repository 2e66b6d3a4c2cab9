/** What was asked is asked again in the background; what failed for want of a right is not. */
import { MutationCache, QueryClient } from '@tanstack/react-query'
import { Problem, SignedOut } from './session'

export const queries: QueryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (failures, error) => failures < 2 && !(error instanceof SignedOut) && !(error instanceof Problem && error.status < 500),
    },
  },
  // Whatever was changed, all that is shown may be old.
  mutationCache: new MutationCache({ onSuccess: () => queries.invalidateQueries() }),
})
