import { Alert, Button, Group, Stack } from '@mantine/core'
import { IconEyeOff } from '@tabler/icons-react'
import type { Schema } from '../api/client'
import { t } from '../words/words'
import { Copy } from './copy'

/** A secret that is shown this once. */
export function SecretOnce({ made, onDone }: { made: Schema['ClientWithSecret']; onDone: () => void }) {
  return (
    <Stack>
      <Alert color="yellow" icon={<IconEyeOff />}>
        {t('Copy it now: it is shown this once, and kept by nobody.')}
      </Alert>
      <Copy value={made.client_secret} label={t('Copy the secret')} />
      <Group justify="flex-end">
        <Button onClick={onDone}>{t('I have copied it')}</Button>
      </Group>
    </Stack>
  )
}
