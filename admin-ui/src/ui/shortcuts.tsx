import { Kbd, Modal, Table } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'
import { t } from '../words/words'

/** Saves the form that one is in, or the first of the page. */
function saveForm() {
  const form = document.activeElement?.closest('form') ?? document.querySelector<HTMLFormElement>('[role=dialog] form, main form')
  form?.requestSubmit()
}

/** What can be done from the keyboard: done, and listed. */
export function Shortcuts() {
  const [shown, { toggle, close }] = useDisclosure(false)
  // In a field, too; a question mark there is a question mark.
  useHotkeys([['mod+S', saveForm]], [])
  useHotkeys([['shift+?', toggle]])
  const all = [
    { keys: ['Ctrl', 'K'], does: t('Go to a page') },
    { keys: ['/'], does: t('Go to a page') },
    { keys: ['Ctrl', 'S'], does: t('Save the form') },
    { keys: ['Esc'], does: t('Close what is open') },
    { keys: ['?'], does: t('Show this list') },
  ]
  return (
    <Modal opened={shown} onClose={close} title={t('Keyboard')}>
      <Table>
        <Table.Tbody>
          {all.map(({ keys, does }) => (
            <Table.Tr key={keys.join()}>
              <Table.Td>
                {keys.map((key) => (
                  <Kbd key={key} mr={4}>
                    {key}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{does}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  )
}
