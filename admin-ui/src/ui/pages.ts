/** Lists that are read page by page: each page ends with what the next one begins after. */
import { useInfiniteQuery } from '@tanstack/react-query'
export const PAGE = 50

export function paged<Row extends { id: string }>() {
  return {
    pageParamName: 'starting_after',
    // The first page starts after nothing: null is not sent, and undefined would become 0.
    initialPageParam: null as unknown as string,
    getNextPageParam: (last: Row[]) => (last.length < PAGE ? undefined : last.at(-1)?.id),
  }
}

/** Whether no more than the first page was read: only that is looked at again and again. */
export function onePage(data: { pages: unknown[] } | undefined): boolean {
  return (data?.pages.length ?? 0) <= 1
}

interface Query<Row> {
  data?: Row[] | undefined
  error: unknown
  isPending: boolean
  refetch: () => unknown
}

/** A list that is read at once: those that are wanted, as one page. */
export function whole<Row>(query: Query<Row>, wanted: (row: Row) => boolean = () => true) {
  return {
    data: query.data && { pages: [query.data.filter(wanted)] },
    error: query.error,
    isPending: query.isPending,
    refetch: query.refetch,
    hasNextPage: false,
    isFetchingNextPage: false,
    fetchNextPage: () => undefined,
  }
}

/** A list whose answers say in a header where the next page begins. */
export function usePages<Row>(key: unknown[], read: (after?: string) => Promise<{ data?: Row[] | undefined; response: Response }>) {
  const query = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) => {
      const { data, response } = await read(pageParam)
      return { rows: data ?? [], next: response.headers.get('paging-token') ?? undefined }
    },
    getNextPageParam: (last) => last.next,
  })
  return { ...query, data: query.data && { pages: query.data.pages.map((page) => page.rows) } }
}
