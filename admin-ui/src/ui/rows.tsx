import { Table } from '@mantine/core'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useRef } from 'react'
import type { Column } from './list'

/** More rows than this do not all stand in the page. */
export const LONG = 100
/** How high a row is before it was measured, in pixels. */
const HIGH = 49

interface RowsProps<Row> {
  all: Row[]
  columns: Column<Row>[]
  keyOf: (row: Row) => string
}

/** All rows. */
export function Rows<Row>({ all, columns, keyOf }: RowsProps<Row>) {
  return (
    <Table.Tbody>
      {all.map((row) => (
        <Table.Tr key={keyOf(row)}>
          <Cells row={row} columns={columns} />
        </Table.Tr>
      ))}
    </Table.Tbody>
  )
}

/** The rows in sight; those above and below are only so much room. */
export function LongRows<Row>({ all, columns, keyOf }: RowsProps<Row>) {
  const body = useRef<HTMLTableSectionElement>(null)
  const virtual = useWindowVirtualizer({
    count: all.length,
    estimateSize: () => HIGH,
    overscan: 12,
    scrollMargin: body.current ? body.current.getBoundingClientRect().top + window.scrollY : 0,
    getItemKey: (at) => keyOf(all[at]!),
  })
  const shown = virtual.getVirtualItems()
  const above = (shown[0]?.start ?? 0) - virtual.options.scrollMargin
  const below = virtual.getTotalSize() + virtual.options.scrollMargin - (shown.at(-1)?.end ?? 0)
  return (
    <Table.Tbody ref={body}>
      <Room high={above} />
      {shown.map(({ key, index }) => (
        <Table.Tr key={String(key)} ref={virtual.measureElement} data-index={index} aria-rowindex={index + 2}>
          <Cells row={all[index]!} columns={columns} />
        </Table.Tr>
      ))}
      <Room high={below} />
    </Table.Tbody>
  )
}

function Room({ high }: { high: number }) {
  return high > 0 ? (
    <tr aria-hidden>
      <td height={high} />
    </tr>
  ) : null
}

function Cells<Row>({ row, columns }: { row: Row; columns: Column<Row>[] }) {
  return columns.map((column) => (
    <Table.Td key={column.title} {...(column.wide ? { visibleFrom: 'sm' } : {})}>
      {column.cell(row)}
    </Table.Td>
  ))
}
