import { expect, test } from 'vitest'
import { within } from '../router'
import { isPartner, parentOf } from './accounts'
import { changes } from './changes'
import { allows, covers, difference, layOut } from './scopes'

test('a scope covers what the contract says, and no more', () => {
  for (const [held, other, yes] of [
    ['admin:accounts', 'write:accounts:/auth/users', true],
    ['admin:accounts', 'read:customers', false],
    ['write:accounts', 'write:accounts:/auth/users', true],
    ['write:accounts', 'create:accounts', true],
    ['write:accounts', 'read:accounts', false],
    ['read:accounts', 'read:accounts:/auth', true],
    ['read:accounts', 'public:accounts', true],
    ['read:accounts', 'public:accounts:/x', false],
    ['write:accounts:/auth', 'write:accounts:/auth/users', false],
    ['theirs', 'theirs', true],
    ['theirs', 'others', false],
  ] as const) {
    expect(covers(held, other), `${held} ${other}`).toBe(yes)
  }
})

test('an operation is allowed by one of its own scopes', () => {
  expect(allows(new Set(['read:accounts']), 'listRoles')).toBe(true)
  expect(allows(new Set(['read:accounts']), 'createRole')).toBe(false)
  expect(allows(new Set(['write:accounts:/auth/users']), 'listRoles')).toBe(false)
})

test('a change of scopes is told by its effect', () => {
  expect(difference(['read:accounts'], ['admin:accounts'])).toEqual({ gives: ['admin:accounts'], takes: [] })
  expect(difference(['admin:accounts'], ['write:accounts'])).toEqual({ gives: [], takes: ['admin:accounts'] })
  expect(difference(['write:accounts'], ['write:accounts', 'create:accounts'])).toEqual({ gives: [], takes: [] })
})

test('scopes are laid out by resource', () => {
  expect(layOut(['read:b', 'admin:a', 'write:a:/x', 'write:a', 'no scope'])).toEqual([
    { name: 'a', verbs: ['admin', 'write'], paths: ['write:a:/x'] },
    { name: 'b', verbs: ['read'], paths: [] },
  ])
})

test('numbers tell who is above', () => {
  expect([parentOf('T11200001'), parentOf('T11200000'), parentOf('T00000000')]).toEqual(['T11200000', 'T00000000', undefined])
  expect([isPartner('P11200000'), isPartner('P11200001')]).toEqual([true, false])
})

test('only what changed is shown', () => {
  expect(changes({ name: 'a', scope: ['x'], same: 1 }, { name: 'b', scope: ['x'], same: 1, more: true })).toEqual([
    { field: 'more', after: 'true' },
    { field: 'name', before: 'a', after: 'b' },
  ])
  expect(changes(null, undefined)).toEqual([])
})

test('a sign-in leads back into the console and nowhere else', () => {
  for (const back of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)', 7, undefined]) {
    expect(within(back), String(back)).toBeUndefined()
  }
  expect(within('/T11200001/roles?search=x')).toBe('/T11200001/roles?search=x')
})
