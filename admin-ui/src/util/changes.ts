/** What differs between a record before and after, field by field. */
export interface Change {
  field: string
  before?: string
  after?: string
}

type Record_ = Record<string, unknown> | null | undefined

export function changes(before: Record_, after: Record_): Change[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...fields].sort().flatMap((field) => {
    const [old, now] = [shown(before?.[field]), shown(after?.[field])]
    if (old === now) return []
    return [{ field, ...(old === undefined ? {} : { before: old }), ...(now === undefined ? {} : { after: now }) }]
  })
}

function shown(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}
