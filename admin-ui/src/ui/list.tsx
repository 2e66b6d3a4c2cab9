import { Button, Center, Paper, Skeleton, Stack, Table, Text, UnstyledButton } from '@mantine/core'
import { useIntersection } from '@mantine/hooks'
import { IconArrowDown, IconArrowUp, IconArrowsSort } from '@tabler/icons-react'
import { type ReactNode, useEffect, useState } from 'react'
import { language, t } from '../words/words'
import { LONG, LongRows, Rows } from './rows'
import { Trouble } from './trouble'

export interface Column<Row> {
  title: string
  cell: (row: Row) => ReactNode
  /** Left out where there is little room. */
  wide?: boolean
  /** What to sort by, once all rows are there. */
  sort?: (row: Row) => string
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

interface Sorting {
  title: string
  down: boolean
}

/** Rows page by page: as many as there are, read when they come into sight; only those in sight stand in the page. */
export function List<Row>({ label, rows, columns, keyOf, empty }: ListProps<Row>) {
  const [sorting, sort] = useState<Sorting>()
  if (rows.isPending) return <Loading />
  if (rows.error && !rows.data) return <Trouble error={rows.error} again={() => void rows.refetch()} />
  const read = rows.data?.pages.flat() ?? []
  if (read.length === 0) return <Nothing>{empty}</Nothing>
  const by = rows.hasNextPage ? undefined : columns.find((column) => column.title === sorting?.title)?.sort
  const all = by ? sorted(read, by, sorting?.down ?? false) : read
  const Body = all.length > LONG ? LongRows : Rows
  return (
    <Stack>
      <Table.ScrollContainer minWidth={300} scrollAreaProps={{ viewportProps: { tabIndex: 0, 'aria-label': label, role: 'region' } }}>
        <Table highlightOnHover verticalSpacing="sm" aria-label={label}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Title key={column.title} column={column} sorting={sorting} {...(rows.hasNextPage ? {} : { sort })} />
              ))}
            </Table.Tr>
          </Table.Thead>
          <Body all={all} columns={columns} keyOf={keyOf} />
        </Table>
      </Table.ScrollContainer>
      {rows.hasNextPage && <More rows={rows} />}
    </Stack>
  )
}

function sorted<Row>(rows: Row[], by: (row: Row) => string, down: boolean): Row[] {
  const { compare } = new Intl.Collator(language(), { numeric: true })
  return [...rows].sort((one, two) => (down ? compare(by(two), by(one)) : compare(by(one), by(two))))
}

interface TitleProps<Row> {
  column: Column<Row>
  sorting: Sorting | undefined
  sort?: (by: Sorting) => void
}

function Title<Row>({ column: { title, wide, sort: by }, sorting, sort }: TitleProps<Row>) {
  const room = wide ? { visibleFrom: 'sm' } : {}
  if (!by || !sort) return <Table.Th {...room}>{title}</Table.Th>
  const down = sorting?.title === title ? sorting.down : undefined
  const Icon = down === undefined ? IconArrowsSort : down ? IconArrowDown : IconArrowUp
  return (
    <Table.Th {...room} aria-sort={down === undefined ? 'none' : down ? 'descending' : 'ascending'}>
      <UnstyledButton fz="inherit" fw="inherit" onClick={() => sort({ title, down: down === false })}>
        {title} <Icon size={12} aria-hidden />
      </UnstyledButton>
    </Table.Th>
  )
}

/** The next page, as soon as it comes into sight. */
function More({ rows }: { rows: { isFetchingNextPage: boolean; error: unknown; fetchNextPage: () => unknown } }) {
  const { ref, entry } = useIntersection({ rootMargin: '400px' })
  const near = entry?.isIntersecting ?? false
  const { isFetchingNextPage, fetchNextPage } = rows
  const failed = !!rows.error
  useEffect(() => {
    if (near && !isFetchingNextPage && !failed) void fetchNextPage()
  }, [near, isFetchingNextPage, failed, fetchNextPage])
  return (
    <Center ref={ref}>
      <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
        {t('More')}
      </Button>
    </Center>
  )
}

function Nothing({ children }: { children: ReactNode }) {
  return (
    <Paper withBorder p="xl">
      <Center>
        <Text c="dimmed" ta="center" component="div">
          {children}
        </Text>
      </Center>
    </Paper>
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
