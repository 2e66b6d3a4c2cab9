import { Button, Group } from '@mantine/core'
import { Act } from '../ui/allowed'
import type { Operation } from '../util/scopes'
import { t } from '../words/words'

interface EndProps {
  account: string
  /** What saving does: whoever may not is told why. */
  operation: Operation
  saving: boolean
  /** What the button says, if it does not save. */
  act?: string
  onCancel?: () => void
}

/** The end of a form: on, or back. */
export function End({ account, operation, saving, act = t('Save'), onCancel }: EndProps) {
  return (
    <Group justify="flex-end">
      {onCancel && (
        <Button variant="default" onClick={onCancel}>
          {t('Cancel')}
        </Button>
      )}
      <Act account={account} operation={operation} type="submit" loading={saving}>
        {act}
      </Act>
    </Group>
  )
}
