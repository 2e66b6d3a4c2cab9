import { Button, Card, Code, Group, Progress, Stack, Text } from '@mantine/core'
import { queries } from '../api/queries'
import { type Token, bearer, enter, problem } from '../api/session'
import { message } from '../ui/trouble'
import { t } from '../words/words'

/** How far an import has come. */
export interface Exchange {
  file: string
  /** Of the file, from 0 to 1. */
  share: number
  created: number
  exists: number
  refused: { line: number; message: string }[]
  /** Why it ended before its end. */
  failure?: string
}

/** How many lines go with one request, and of how many refusals is told. */
const LINES = 1000
const TOLD = 20

/** Brings a file with a customer in each line to an account, piece by piece. */
export async function importCustomers(account: string, file: File, told: (exchange: Exchange) => void) {
  const exchange: Exchange = { file: file.name, share: 0, created: 0, exists: 0, refused: [] }
  let [line, read] = [0, 0]
  const send = async (lines: string[]) => {
    const headers = { ...bearer(await enter(account)), 'Content-Type': 'application/x-ndjson' }
    const body = lines.join('\n')
    const answer = await fetch(`/v1/accounts/${account}/customers/users:import`, { method: 'POST', headers, body })
    if (!answer.ok) throw await problem(answer)
    for (const text of (await answer.text()).split('\n').filter(Boolean)) {
      const result = JSON.parse(text) as { line: number; status: 'created' | 'exists' | 'refused'; error?: { message: string; errors?: { field: string; message: string }[] } }
      if (result.status !== 'refused') exchange[result.status]++
      else {
        const faults = result.error?.errors?.map(({ field, message }) => `${field} ${message}`).join('; ')
        exchange.refused.push({ line: line + result.line, message: faults || (result.error?.message ?? '') })
      }
    }
    line += lines.length
    read += new Blob([body]).size + 1
    told({ ...exchange, share: Math.min(read / file.size, 0.99) })
  }
  try {
    for await (const lines of batches(file)) await send(lines)
  } catch (error) {
    told({ ...exchange, share: Math.min(read / file.size, 0.99), failure: message(error) })
    return
  } finally {
    await queries.invalidateQueries()
  }
  told({ ...exchange, share: 1 })
}

/** The lines of a file, a request's at a time. */
async function* batches(file: File): AsyncGenerator<string[]> {
  let [rest, batch] = ['', [] as string[]]
  const reader = file.stream().pipeThrough(new TextDecoderStream('utf-8', { fatal: true })).getReader()
  const next = () =>
    reader.read().catch(() => {
      throw new Error(t('This is no UTF-8 text.'))
    })
  for (let piece = await next(); !piece.done; piece = await next()) {
    const lines = (rest + piece.value).split('\n')
    rest = lines.pop() ?? ''
    for (const one of lines) {
      batch.push(one)
      if (batch.length === LINES) yield batch.splice(0)
    }
  }
  if (rest) batch.push(rest)
  if (batch.length > 0) yield batch
}

/** What has become of an import so far. */
export function ImportProgress({ exchange, onClose }: { exchange: Exchange; onClose: () => void }) {
  const { file, share, created, exists, refused, failure } = exchange
  return (
    <Card withBorder role="status">
      <Stack gap="xs">
        <Group justify="space-between">
          <Text fw={500}>{share < 1 ? t('Importing {{file}}', { file }) : t('{{file}} is imported.', { file })}</Text>
          {(share === 1 || failure) && (
            <Button size="xs" variant="default" onClick={onClose}>
              {t('Close')}
            </Button>
          )}
        </Group>
        {failure && (
          <Text c="red" role="alert">
            {t('It ended here: {{failure}} Import the file again: what is there already is left as it is.', { failure })}
          </Text>
        )}
        <Progress value={100 * share} aria-label={t('Importing {{file}}', { file })} />
        <Text size="sm">{t('{{created}} created, {{exists}} were there, {{refused}} refused', { created, exists, refused: refused.length })}</Text>
        {refused.slice(0, TOLD).map(({ line, message }) => (
          <Text key={line} size="sm" className="wrap">
            {t('Line {{line}}:', { line })} <Code>{message}</Code>
          </Text>
        ))}
      </Stack>
    </Card>
  )
}

/** Saves what an address answers as a file. */
export async function save(name: string, path: string, token: Token) {
  const answer = await fetch(path, { headers: bearer(token) })
  if (!answer.ok) throw await problem(answer)
  const link = document.createElement('a')
  link.href = URL.createObjectURL(await answer.blob())
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
