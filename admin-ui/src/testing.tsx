/** A form as it stands in a page, without the server: what it sends is kept, and what it is answered is said. Only tests use this. */
import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider, createMemoryHistory, createRootRoute, createRouter } from '@tanstack/react-router'
import { render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { vi } from 'vitest'
import { queries } from './api/queries'
import { startWords } from './words/words'

/** What Mantine asks of a browser, and jsdom lacks. */
export function startPage() {
  startWords()
  window.matchMedia = ((query: string) => ({ matches: false, media: query, addEventListener() {}, removeEventListener() {} })) as never
  window.scrollTo = () => undefined
  Element.prototype.scrollIntoView = () => undefined
  Object.defineProperty(document, 'fonts', { value: new EventTarget(), configurable: true })
  const nothing = class {
    observe() {}
    unobserve() {}
    disconnect() {}
  } as never
  window.ResizeObserver = nothing
  window.IntersectionObserver = nothing
}

export interface Sent {
  method: string
  path: string
  body: unknown
}

/** Answers every request by `answer`; what was sent that changes something is kept. */
export function serve(answer: (sent: Sent) => { status?: number; body?: unknown }): Sent[] {
  const kept: Sent[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    const text = await request.text()
    const sent = { method: request.method, path: new URL(request.url).pathname, body: text ? JSON.parse(text) : undefined }
    if (request.method !== 'GET') kept.push(sent)
    const { status = 200, body = {} } = answer(sent)
    return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
  })
  return kept
}

/** What the server says of a field. */
export const refused = (field: string, message: string) => ({
  status: 400,
  body: { error: { code: 'invalid_request', message: 'The request is not valid.', errors: [{ field, message }] } },
})

export async function show(page: ReactNode) {
  const root = createRootRoute({ component: () => page })
  const router = createRouter({ routeTree: root, history: createMemoryHistory() })
  await router.load()
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <Notifications />
        <RouterProvider router={router as never} />
      </QueryClientProvider>
    </MantineProvider>,
  )
}
