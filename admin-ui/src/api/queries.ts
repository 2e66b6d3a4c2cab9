/** What was asked is asked again in the background; what failed for want of a right is not. */
import { QueryCache, QueryClient } from '@tanstack/react-query'
import { Problem, SignedOut, toSignIn } from './session'

export const queries: QueryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (failures, error) => failures < 2 && !(error instanceof SignedOut) && !(error instanceof Problem && error.status < 500),
    },
  },
  queryCache: new QueryCache({ onError: (error) => error instanceof SignedOut && toSignIn() }),
})
