import { Tooltip } from '@mantine/core'
import { ago, local, utc } from '../util/time'

/** A time of the reader's zone; UTC when it is pointed at or focused. */
export function Time({ at, relative = false }: { at: string | null | undefined; relative?: boolean }) {
  if (!at) return <>–</>
  return (
    <Tooltip label={`${local(at)} · ${utc(at)}`} events={{ hover: true, focus: true, touch: true }}>
      <time dateTime={at} tabIndex={0}>
        {relative ? ago(at) : local(at)}
      </time>
    </Tooltip>
  )
}
