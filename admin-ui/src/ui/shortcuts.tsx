import { Kbd, Table } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'
import { Dialog } from './dialog'
import { t } from '../words/words'

/** Saves the form that one is in, else that of what is open, else the first of the page; as its button does. */
function saveForm() {
  const places = ['[role=dialog] form', 'main form'].map((place) => document.querySelector<HTMLFormElement>(place))
  const form = document.activeElement?.closest('form') ?? places.find(Boolean)
  const button = form?.querySelector<HTMLButtonElement>('button[type=submit]')
  if (button && !button.disabled) form?.requestSubmit(button)
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
    <Dialog opened={shown} onClose={close} title={t('Keyboard')}>
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
    </Dialog>
  )
}
