import { MantineProvider } from '@mantine/core'
import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { startPage } from '../testing'
import { ScopeMatrix } from './scopes'

beforeAll(startPage)

afterEach(cleanup)

function Matrix({ start, held }: { start: string[]; held: string[] }) {
  const [value, setValue] = useState(start)
  return (
    <MantineProvider env="test">
      <ScopeMatrix label="Scopes" value={value} onChange={setValue} held={new Set(held)} />
      <output>{value.join(' ')}</output>
    </MantineProvider>
  )
}

const box = (name: string) => screen.getByRole<HTMLInputElement>('checkbox', { name })

test('one gives what one holds, and takes what one does not', async () => {
  const user = userEvent.setup()
  render(<Matrix start={['admin:customers', 'theirs:thing']} held={['write:accounts']} />)
  expect(box('admin:accounts').disabled).toBe(true)
  expect(box('admin:accounts').getAttribute('aria-description')).toBe('You do not hold this yourself')
  expect(box('write:accounts').disabled).toBe(false)
  await user.click(box('write:accounts'))
  // What it covers is given with it.
  expect(box('write:accounts:/auth/users').indeterminate).toBe(true)
  // It stands there already: it can be taken away, and not be given again.
  await user.click(box('admin:customers'))
  expect(screen.getByRole('status').textContent).toBe('theirs:thing write:accounts')
  expect(box('admin:customers').disabled).toBe(true)
})

test('a part of a resource stands below what it is part of, and not below its neighbour', () => {
  render(<Matrix start={[]} held={['admin:accounts']} />)
  const parts = screen.getAllByRole<HTMLInputElement>('checkbox').map((found) => found.ariaLabel ?? '')
  const at = (scope: string) => parts.indexOf(scope)
  expect(at('write:accounts:/auth/passwordless/code')).toBe(at('write:accounts:/auth/passwordless') + 1)
  expect(at('write:accounts:/auth/users/no-mfa')).toBe(at('write:accounts:/auth/users') + 1)
})

test('scopes are found by a part of them', async () => {
  const user = userEvent.setup()
  render(<Matrix start={[]} held={['admin:accounts']} />)
  await user.type(screen.getByLabelText('Search scopes'), 'auth/mfa')
  expect(screen.getAllByRole('checkbox').map((found) => found.ariaLabel)).toContain('write:accounts:/auth/mfa')
  expect(screen.queryByRole('checkbox', { name: 'write:accounts:/auth/users' })).toBeNull()
})
