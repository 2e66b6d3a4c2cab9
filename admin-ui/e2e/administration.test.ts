/** Everyday administration: whoever logs in, what they agree to, what was not delivered, keys that leaked, limits. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, type World, choosePassword, go, heading, signIn, startWorld, visitor } from './world'

let world: World

beforeAll(async () => {
  world = await startWorld()
  await choosePassword((await visitor(world)).page, world.link)
})

afterAll(() => world?.stop())

/** The operator's page at this place. */
async function boss(place: string) {
  const { page, faults } = await visitor(world)
  await page.goto(`/console/${place}`)
  await signIn(page, 'boss@example.com')
  await page.getByRole('navigation').waitFor()
  return { page, faults }
}

const tokenOf = (page: Page, body: object) =>
  page.evaluate(
    async ([body]) => {
      const me = await (await fetch('/v1/account/session', { method: 'POST' })).json()
      const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${me.access_token}` }
      const answer = await fetch('/v1/accounts/T00000000/auth/token', { method: 'POST', headers, body: JSON.stringify(body) })
      return (await answer.json()).access_token as string
    },
    [body],
  )

test('an auth user is made, shut out, let in again and renamed', async () => {
  const { page, faults } = await boss('T00000000/auth-users')
  await page.getByRole('button', { name: 'New auth user' }).click()
  const form = page.getByRole('dialog')
  await form.getByLabel('Username').fill('ola')
  await form.getByLabel(/^Password/).fill('password')
  await form.getByRole('textbox', { name: 'E-mail' }).fill('ola@example.com')
  await form.getByRole('checkbox', { name: 'E-mail' }).check()
  await form.getByRole('button', { name: 'Create' }).click()
  // Everybody tries that one first.
  await form.getByText('is one of those that everybody tries first').waitFor()
  await form.getByLabel(/^Password/).fill(PASSWORD)
  await form.getByRole('button', { name: 'Create' }).click()
  await heading(page, 'ola').waitFor()
  await page.getByText('Second factor: E-mail').waitFor()

  await page.getByRole('button', { name: 'Shut out' }).click()
  await page.getByText('Shut out', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('May log in', { exact: true }).waitFor()

  await page.getByLabel('Username').fill('ola.nordmann')
  await page.getByRole('button', { name: 'Rename' }).click()
  await heading(page, 'ola.nordmann').waitFor()
  await go(page, 'Auth users')
  await page.getByLabel('Search auth users').fill('ola.n')
  await page.getByRole('link', { name: 'ola.nordmann' }).click()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await heading(page, 'Auth users').waitFor()
  await page.goto('/console/T00000000/auth-users')
  await page.getByText('There is no auth user yet.').waitFor()
  expect(faults).toEqual([])
})

test('terms are written and read; an attribute is declared and customers are found by it; a token is followed', async () => {
  const { page, faults } = await boss('T00000000/terms')
  await page.getByRole('button', { name: 'New terms' }).click()
  await page.getByRole('dialog').getByLabel('Text').fill('You agree.\n<b>Entirely.</b>')
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
  await page.getByRole('button', { name: 'Read' }).click()
  await page.getByRole('dialog').getByText('<b>Entirely.</b>').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText('There are no terms yet.').waitFor()

  await go(page, 'Customer settings')
  await page.getByRole('button', { name: 'Add an attribute' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('size')
  await page.getByRole('group', { name: 'E-mail' }).getByLabel('HMAC-SHA-256').check()
  await page.getByLabel('Key of the HMAC').fill('a key')
  // From the keyboard, as a button does it.
  await page.keyboard.press('Control+s')
  await page.getByText('Saved.').waitFor()
  // A second factor and its recovery go different ways.
  await page.getByRole('switch', { name: 'Customers need a second factor' }).check()
  await page.getByRole('combobox', { name: 'Where the code goes', exact: true }).click()
  await page.getByRole('option', { name: 'E-mail' }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').filter({ hasText: 'That did not work' }).filter({ hasText: 'users.mfa' }).waitFor()
  await page.getByRole('combobox', { name: 'Where the code goes', exact: true }).click()
  await page.getByRole('option', { name: 'Text message' }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  await page.reload()
  expect(await page.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('size')

  await go(page, 'Customers')
  await page.getByRole('button', { name: 'New customer' }).click()
  await page.getByLabel('Customer ID').fill('c-1')
  await page.getByLabel('First name').fill('Eva')
  await page.getByLabel('E-mail').fill('eva@example.com')
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
  await heading(page, 'Eva').waitFor()
  await page.getByRole('cell', { name: 'hmac-sha256:email' }).waitFor()
  await page.getByRole('button', { name: 'New token' }).click()
  await page.getByLabel('Type').fill('card')
  await page.getByLabel('Value').fill('5413')
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
  await page.getByRole('row', { name: /5413/ }).getByRole('button', { name: 'Events' }).click()
  const followed = page.getByRole('dialog')
  await followed.getByLabel('What happens').fill('lost in the bus')
  await followed.getByLabel('Status').fill('LOST')
  await followed.getByRole('button', { name: 'Note it' }).click()
  await followed.getByText('lost in the bus').waitFor()
  await page.keyboard.press('Escape')
  // An address is proven by what the customer reads out.
  await page.getByRole('button', { name: 'Mail a code' }).click()
  const code = /\b\d{6}\b/.exec(await world.said('eva@example.com'))?.[0]
  await page.getByLabel('The code that the customer tells you').fill(code!)
  await page.getByRole('button', { name: 'Confirm' }).click()
  await page.getByText('Proven', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Change the customer ID' }).click()
  await page.getByRole('textbox', { name: 'Customer ID' }).fill('c-one')
  await page.getByRole('button', { name: 'Change', exact: true }).click()
  await page.getByRole('button', { name: 'Copy c-one' }).waitFor()

  await go(page, 'Customers')
  await page.getByRole('button', { name: 'More filters' }).click()
  await page.getByLabel('Type of a token').fill('card')
  await page.getByLabel('Value of a token').fill('5413')
  await page.getByRole('button', { name: 'Filter', exact: true }).click()
  await page.getByRole('link', { name: 'Eva' }).waitFor()
  await page.reload()
  await page.getByRole('link', { name: 'Eva' }).waitFor()
  await page.getByRole('button', { name: 'More filters' }).click()
  await page.getByRole('textbox', { name: 'Value of a token' }).fill('5414')
  await page.getByRole('button', { name: 'Filter', exact: true }).click()
  await page.getByText('No customer matches.').waitFor()
  expect(faults).toEqual([])
})

test('a message that was refused is told, tried again, and arrives', async () => {
  const { page, faults } = await boss('T00000000/users')
  await page.getByRole('link', { name: 'Invite somebody' }).click()
  await page.getByLabel('E-mail').fill('full@example.com')
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  await heading(page, 'full@example.com').waitFor()
  await go(page, 'Messages')
  const row = page.getByRole('row', { name: /full@example.com/ })
  await row.getByText('the mail server: answered 552').waitFor({ timeout: 15_000 })
  await page.getByText('Failed', { exact: true }).first().waitFor()
  await row.getByRole('button', { name: 'Try again' }).click()
  await world.mailed('full@example.com')
  await page.getByText('Nothing waits: every message was handed on.').waitFor()
  expect(faults).toEqual([])
})

test('a key that leaked ends with all its tokens, and the console goes on', async () => {
  const { page, faults } = await boss('T00000000/keys')
  await page.getByText('Signs', { exact: true }).waitFor()
  const stolen = await tokenOf(page, { grant_type: 'account_user' })
  const use = (token: string) =>
    page.evaluate(async ([token]) => (await fetch('/v1/accounts/T00000000/auth/roles', { headers: { Authorization: `Bearer ${token}` } })).status, [token])
  expect(await use(stolen)).toBe(200)
  await page.getByRole('button', { name: 'Rotate keys' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Rotate keys' }).click()
  await page.getByText('Next', { exact: true }).waitFor()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Rotate keys' }).click()
  await page.getByRole('switch', { name: 'A key has leaked' }).check()
  await page.getByRole('button', { name: 'End all keys until now' }).click()
  await page.getByText('Next', { exact: true }).waitFor({ state: 'detached' })
  await page.getByText('Signs', { exact: true }).waitFor()
  expect(await use(stolen)).toBe(401)
  await go(page, 'Audit log')
  await page.getByRole('button', { name: 'key.revoked' }).waitFor()
  expect(faults).toEqual([])
})

test('an account below gets a limit and is suspended; whoever came from above goes no deeper', async () => {
  const { page, faults } = await boss('T00000000/accounts')
  const make = async (name: string, number: string) => {
    await page.getByRole('button', { name: 'New account' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill(name)
    await page.getByRole('dialog').getByLabel('Number').fill(number)
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
    await heading(page, name).waitFor()
  }
  await make('Northern Partners', 'T11200000')
  await page.getByRole('textbox', { name: 'All accounts below it together', exact: true }).fill('50')
  await page.getByRole('textbox', { name: 'All accounts below it together: At once' }).fill('80')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  await page.reload()
  await expect.poll(() => page.getByRole('textbox', { name: 'All accounts below it together', exact: true }).inputValue()).toBe('50')
  await page.getByRole('link', { name: 'Enter Northern Partners' }).click()
  await page.getByRole('alert').filter({ hasText: 'Acting on T11200000' }).waitFor()
  await go(page, 'Accounts')
  await make('Shop', 'T11200001')
  const deeper = page.getByRole('button', { name: 'Enter Shop' })
  await deeper.hover()
  await page.getByRole('tooltip', { name: /Only a user of T11200000 itself can/ }).waitFor()
  await deeper.click({ force: true })
  await heading(page, 'Shop').waitFor()

  await page.goto('/console/T00000000/accounts/T11200000')
  await page.getByRole('switch', { name: 'Suspended' }).check()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  await page.getByRole('link', { name: 'Enter Northern Partners' }).click()
  await page.getByRole('alert').filter({ hasText: 'The account is suspended.' }).waitFor()
  expect(faults).toEqual([])
})

test('the keyboard leads everywhere, and everything speaks Norwegian', async () => {
  const { page, faults } = await boss('T00000000')
  await heading(page, 'Overview').waitFor()
  await page.keyboard.press('Shift+?')
  await page.getByRole('dialog', { name: 'Keyboard' }).getByText('Save the form').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+k')
  await page.getByPlaceholder('Go to').fill('Roles')
  await page.keyboard.press('Enter')
  await heading(page, 'Roles').waitFor()
  await page.goBack()
  await heading(page, 'Overview').waitFor()
  await page.goto('/console/profile')
  await page.getByRole('combobox', { name: 'Language' }).click()
  await page.getByRole('option', { name: 'Norsk' }).click()
  await heading(page, 'Din profil').waitFor()
  await page.goto('/console/T00000000/roles')
  await heading(page, 'Roller').waitFor()
  expect(await page.locator('html').getAttribute('lang')).toBe('nb')
  expect(faults).toEqual([])
})
