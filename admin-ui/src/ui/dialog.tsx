import { Modal, type ModalProps } from '@mantine/core'
import { t } from '../words/words'

/** Something that is asked or shown over the page. */
export function Dialog(props: ModalProps) {
  return <Modal closeButtonProps={{ 'aria-label': t('Close') }} {...props} />
}
