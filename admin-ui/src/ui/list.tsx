import { Button, Center, Paper, Skeleton, Stack, Table, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { t } from '../words/words'
import { Trouble } from './trouble'

export interface Column<Row> {
  title: string
  cell: (row: Row) => ReactNode
  /** Left out where there is little room. */
  wide?: boolean
}

interface Pages<Row> {
  data?: { pages: Row[][] } | undefined
  error: unknown
  isPending: boolean
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
  refetch: () => unknown
}

interface ListProps<Row> {
  label: string
  rows: Pages<Row>
  columns: Column<Row>[]
  keyOf: (row: Row) => string
  /** What to do when there is nothing. */
  empty: ReactNode
}

/** Rows page by page: as many as there are, read when they are asked for. */
export function List<Row>({ label, rows, columns, keyOf, empty }: ListProps<Row>) {
  if (rows.isPending) return <Loading />
  if (rows.error && !rows.data) return <Trouble error={rows.error} again={() => void rows.refetch()} />
  const all = rows.data?.pages.flat() ?? []
  if (all.length === 0) {
    return (
      <Paper withBorder p="xl">
        <Center>
          <Text c="dimmed" ta="center" component="div">
            {empty}
          </Text>
        </Center>
      </Paper>
    )
  }
  return (
    <Stack>
      <Table.ScrollContainer minWidth={300} scrollAreaProps={{ viewportProps: { tabIndex: 0, 'aria-label': label, role: 'region' } }}>
        <Table highlightOnHover verticalSpacing="sm" aria-label={label}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Table.Th key={column.title} {...(column.wide ? { visibleFrom: 'sm' } : {})}>
                  {column.title}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {all.map((row) => (
              <Table.Tr key={keyOf(row)}>
                {columns.map((column) => (
                  <Table.Td key={column.title} {...(column.wide ? { visibleFrom: 'sm' } : {})}>
                    {column.cell(row)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {rows.hasNextPage && (
        <Center>
          <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>
            {t('More')}
          </Button>
        </Center>
      )}
    </Stack>
  )
}

export function Loading() {
  return (
    <Stack gap="sm" role="status" aria-label={t('Loading')}>
      {[1, 2, 3, 4].map((line) => (
        <Skeleton key={line} height={36} />
      ))}
    </Stack>
  )
}
