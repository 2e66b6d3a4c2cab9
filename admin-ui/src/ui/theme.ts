import { Modal, PasswordInput, createTheme } from '@mantine/core'
import { t } from '../words/words'

/** How everything looks, and what its parts are called in the reader's language. */
export const theme = () =>
  createTheme({
    primaryColor: 'blue',
    primaryShade: { light: 8, dark: 8 },
    defaultRadius: 'md',
    cursorType: 'pointer',
    fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
    headings: { fontWeight: '650' },
    components: {
      // Its head is no landmark of the page.
      Modal: Modal.extend({ defaultProps: { closeButtonProps: { 'aria-label': t('Close') }, attributes: { header: { role: 'none' } } } }),
      PasswordInput: PasswordInput.extend({ defaultProps: { visibilityToggleButtonProps: { 'aria-label': t('Show or hide what is typed') } } }),
    },
  })
