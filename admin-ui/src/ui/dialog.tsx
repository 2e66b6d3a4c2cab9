import { Modal, type ModalProps } from '@mantine/core'
import { useCallback, useRef } from 'react'
import { Dirty } from '../forms/fresh'
import { t } from '../words/words'

/** Something that is asked or shown over the page. A form in it in which something unsaved stands does not go away by a stray key. */
export function Dialog({ onClose, children, ...props }: ModalProps) {
  const dirty = useRef(false)
  const tell = useCallback((is: boolean) => {
    dirty.current = is
  }, [])
  const close = () => {
    if (!dirty.current || window.confirm(t('Leave without saving?'))) onClose()
  }
  return (
    <Modal onClose={close} {...props}>
      <Dirty.Provider value={tell}>{children}</Dirty.Provider>
    </Modal>
  )
}
