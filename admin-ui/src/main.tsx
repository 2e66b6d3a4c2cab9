import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import '@mantine/spotlight/styles.css'
import './ui/style.css'
import { MantineProvider } from '@mantine/core'
import { ModalsProvider } from '@mantine/modals'
import { Notifications } from '@mantine/notifications'
import { setNonce } from 'get-nonce'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode, useMemo, useSyncExternalStore } from 'react'
import { createRoot } from 'react-dom/client'
import { queries } from './api/queries'
import { router } from './router'
import { theme } from './ui/theme'
import { language, onLanguage, startWords } from './words/words'

const nonce = document.querySelector('meta[name=style-nonce]')?.getAttribute('content') ?? ''
// For the styles that keep what is behind a dialog from scrolling.
setNonce(nonce)

function App() {
  // Everything is shown anew in another language.
  const shown = useSyncExternalStore(onLanguage, language)
  const shownTheme = useMemo(theme, [shown])
  return (
    <MantineProvider theme={shownTheme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <ModalsProvider key={shown}>
          <Notifications position="top-center" />
          <RouterProvider router={router} />
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>
  )
}

startWords()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
