import { Alert, Button, Stack, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { Problem } from '../api/session'
import { t } from '../words/words'
import { Page } from './page'

/** Something that could not be shown, why, and another try. */
export function Trouble({ error, again, untitled = false }: { error: unknown; again?: () => void; untitled?: boolean }) {
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle />} title={untitled ? undefined : title(error)} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{message(error)}</Text>
        {again && (
          <Button size="xs" variant="default" onClick={again}>
            {t('Try again')}
          </Button>
        )}
      </Stack>
    </Alert>
  )
}

/** A page that cannot be shown. */
export function TroublePage(props: { error: unknown; again?: () => void }) {
  return (
    <Page title={title(props.error)}>
      <Trouble {...props} untitled />
    </Page>
  )
}

function title(error: unknown): string {
  if (error instanceof Problem && error.status === 403) return t('Not allowed')
  if (error instanceof Problem && error.status === 404) return t('Not found')
  return t('That did not work')
}

/** What went wrong, for people. */
export function message(error: unknown): string {
  if (error instanceof Problem) {
    // What is wrong with the words of an address stands beside no field.
    return [error.message, ...error.fields.map(({ field, message }) => `${field} ${message}.`)].join(' ')
  }
  if (error instanceof TypeError) return t('The server cannot be reached.')
  return error instanceof Error ? error.message : String(error)
}
