import { PasswordInput, createTheme } from '@mantine/core'
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
      PasswordInput: PasswordInput.extend({ defaultProps: { visibilityToggleButtonProps: { 'aria-label': t('Show or hide what is typed') } } }),
    },
  })
