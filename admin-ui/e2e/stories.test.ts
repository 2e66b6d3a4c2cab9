/** What people do in the console, from the first sign-in on, against the real server. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, type World, choosePassword, go, heading, signIn, startWorld, visitor } from './world'

let world: World

beforeAll(async () => {
  world = await startWorld()
  // The first sign-in after bootstrap begins with a link.
  await choosePassword((await visitor(world)).page, world.link)
})

afterAll(() => world?.stop())

/** Somebody whose browser is signed in; the first time by the link that was sent. */
async function arrive(email: string, link?: string) {
  const { page, faults } = await visitor(world)
  if (link) await choosePassword(page, link)
  await page.goto('/console')
  await signIn(page, email)
  await heading(page, 'Your accounts').waitFor()
  return { page, faults }
}

async function newAccount(page: Page, name: string, number?: string) {
  await go(page, 'Accounts')
  await page.getByRole('button', { name: 'New account' }).click()
  const form = page.getByRole('dialog')
  await form.getByLabel('Name').fill(name)
  if (number) await form.getByLabel('Number').fill(number)
  await form.getByRole('button', { name: 'Create' }).click()
  await heading(page, name).waitFor()
}

/** What happened stands in the log that is shown. */
async function logged(page: Page, ...kinds: string[]) {
  for (const kind of kinds) await page.getByRole('button', { name: kind, exact: true }).first().waitFor()
}

async function invite(page: Page, email: string, chosen: { scopes?: string[]; role?: string }) {
  await go(page, 'Users')
  await page.getByRole('link', { name: 'Invite somebody' }).click()
  await page.getByLabel('E-mail').fill(email)
  for (const scope of chosen.scopes ?? []) await page.getByRole('checkbox', { name: scope, exact: true }).check()
  if (chosen.role) {
    await page.getByRole('combobox', { name: 'Roles' }).click()
    await page.getByRole('option', { name: chosen.role }).click()
    await page.keyboard.press('Escape')
  }
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  await heading(page, email).waitFor()
}

test('a partner enters a sub-account, makes a role, invites somebody, who loses what the role loses at once', async () => {
  // The operator makes a partner and invites whoever runs it.
  const operator = await arrive('boss@example.com')
  await operator.page.goto('/console/T00000000')
  await newAccount(operator.page, 'Northern Partners', 'T11200000')
  await operator.page.getByRole('link', { name: 'Enter' }).click()
  await operator.page.getByRole('alert').filter({ hasText: 'Acting on T11200000 as T00000000' }).waitFor()
  await invite(operator.page, 'partner@example.com', { scopes: ['admin:accounts'] })

  // The partner makes a shop and enters it.
  const partner = await arrive('partner@example.com', await world.mailed('partner@example.com'))
  await partner.page.getByRole('link', { name: 'Northern Partners' }).click()
  await heading(partner.page, 'Overview').waitFor()
  await newAccount(partner.page, 'Shop by the Sea')
  await partner.page.getByRole('link', { name: 'Enter' }).click()
  await partner.page.getByRole('alert').filter({ hasText: 'Acting on T11200001 as T11200000' }).waitFor()

  // A role with a part of a resource, and somebody who holds it.
  await go(partner.page, 'Roles')
  await partner.page.getByRole('link', { name: 'New role' }).click()
  await partner.page.getByLabel('Name').fill('Support')
  await partner.page.getByRole('checkbox', { name: 'read:accounts', exact: true }).check()
  await partner.page.getByRole('checkbox', { name: 'write:accounts:/auth/users', exact: true }).check()
  // What one does not hold oneself one does not give.
  await expect(partner.page.getByRole('checkbox', { name: 'admin:customers', exact: true }).isDisabled()).resolves.toBe(true)
  await partner.page.getByRole('button', { name: 'Create' }).click()
  await heading(partner.page, 'Support').waitFor()
  const role = partner.page.url()
  await invite(partner.page, 'kari@example.com', { role: 'Support' })

  // She signs in from the mail, does what the role says, and not more.
  const kari = await arrive('kari@example.com', await world.mailed('kari@example.com'))
  await kari.page.getByRole('link', { name: 'Shop by the Sea' }).click()
  await go(kari.page, 'Roles')
  await kari.page.getByRole('link', { name: 'Support' }).waitFor()
  const refused = kari.page.getByRole('button', { name: 'New role' })
  await refused.hover()
  await kari.page.getByRole('tooltip', { name: /Needs admin:accounts or write:accounts/ }).waitFor()
  await refused.click({ force: true })
  expect(new URL(kari.page.url()).pathname).toBe('/console/T11200001/roles')
  // A part of a resource she may write: people who log in, and nothing beside them.
  await go(kari.page, 'Auth users')
  await kari.page.getByRole('button', { name: 'New auth user' }).click()
  await kari.page.getByRole('dialog').getByLabel('Username').fill('ola')
  await kari.page.getByRole('dialog').getByLabel(/^Password/).fill(PASSWORD)
  await kari.page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
  await heading(kari.page, 'ola').waitFor()

  // The role loses reading: so does she, at the very next request.
  await partner.page.goto(role)
  await partner.page.getByRole('link', { name: 'kari@example.com' }).waitFor()
  await partner.page.getByRole('checkbox', { name: 'read:accounts', exact: true }).uncheck()
  await partner.page.getByRole('alert').filter({ hasText: 'Takes' }).getByText('read:accounts').waitFor()
  await partner.page.getByRole('button', { name: 'Save' }).click()
  await partner.page.getByText('Saved.').waitFor()
  // With the very token that she has.
  await go(kari.page, 'Users')
  await kari.page.getByRole('alert').filter({ hasText: 'Not allowed' }).waitFor()

  // The log of the shop tells who did it, and for whom.
  await go(partner.page, 'Audit log')
  await logged(partner.page, 'role.created', 'user.invited', 'user.created', 'token.exchanged')
  await partner.page.getByRole('button', { name: 'role.updated' }).click()
  const details = partner.page.getByRole('dialog')
  await details.getByText('for T11200000').waitFor()
  await details.getByRole('cell', { name: 'scope' }).waitFor()
  await partner.page.keyboard.press('Escape')

  // Out is out: the way back leads through the sign-in, to where one was.
  await partner.page.getByRole('button', { name: 'You' }).click()
  await partner.page.getByRole('menuitem', { name: 'Sign out' }).click()
  await heading(partner.page, 'Sign in').waitFor()
  await partner.page.goto('/console/T11200001/roles')
  await heading(partner.page, 'Sign in').waitFor()
  await signIn(partner.page, 'partner@example.com')
  await heading(partner.page, 'Roles').waitFor()
  expect([...operator.faults, ...partner.faults, ...kari.faults]).toEqual([])
})

test('a session that was ended elsewhere leads to the sign-in and back; whoever else signs in sees nothing of it', async () => {
  const [here, there] = [await arrive('boss@example.com'), await arrive('boss@example.com')]
  await here.page.goto('/console/T00000000/roles')
  await heading(here.page, 'Roles').waitFor()
  await there.page.goto('/console/profile')
  await there.page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await there.page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
  await heading(there.page, 'Sign in').waitFor()
  await go(here.page, 'Clients')
  await heading(here.page, 'Sign in').waitFor()
  await signIn(here.page, 'boss@example.com')
  await heading(here.page, 'Clients').waitFor()
  // In another tab of the same browser somebody else signs in.
  const tab = await here.page.context().newPage()
  await tab.goto('/console/sign-in')
  await signIn(tab, 'kari@example.com')
  await heading(tab, 'Your accounts').waitFor()
  await go(here.page, 'Grants')
  await heading(here.page, 'Your accounts').waitFor()
  await here.page.getByRole('link', { name: 'Shop by the Sea' }).waitFor()
  expect(await here.page.getByRole('link', { name: 'Operator' }).count()).toBe(0)
  // Who signs out in one tab is out in all.
  await tab.getByRole('button', { name: 'You' }).click()
  await tab.getByRole('menuitem', { name: 'Sign out' }).click()
  await heading(here.page, 'Sign in').waitFor()
  expect([...here.faults, ...there.faults]).toEqual([])
})

test("a client's secret is shown once, and replaced with an overlap", async () => {
  const { page, faults } = await visitor(world)
  await page.goto('/console/T00000000/clients')
  await signIn(page, 'boss@example.com')
  await page.getByRole('button', { name: 'New client' }).click()
  await page.getByLabel('Name').fill('Billing')
  await page.getByLabel('Client ID').fill('billing')
  await page.getByRole('button', { name: 'Create' }).click()
  const dialog = page.getByRole('dialog', { name: 'The secret of billing' })
  const shown = dialog.getByText(/^[A-Za-z0-9]{43}$/)
  const first = await shown.textContent()
  await dialog.getByRole('button', { name: 'I have copied it' }).click()
  await page.getByRole('link', { name: 'Billing' }).click()
  await heading(page, 'Billing').waitFor()
  expect(await page.content()).not.toContain(first)

  // A grant, so that both secrets can be tried.
  await go(page, 'Grants')
  await page.getByRole('button', { name: 'New grant' }).click()
  await page.getByRole('combobox', { name: /^Client/ }).click()
  await page.getByRole('option', { name: /billing/ }).click()
  await page.getByRole('checkbox', { name: 'read:accounts', exact: true }).check()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('row', { name: /billing/ }).waitFor()
  const token = async (secret: string) => {
    const audience = `${world.base}/v1/accounts/T00000000`
    const answer = await fetch(`${audience}/auth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Basic ${btoa(`billing:${secret}`)}` },
      body: JSON.stringify({ grant_type: 'client_credentials', audience }),
    })
    return answer.status
  }
  expect(await token(first!)).toBe(200)

  await go(page, 'Clients')
  await page.getByRole('link', { name: 'Billing' }).click()
  await page.getByRole('button', { name: 'Rotate the secret' }).click()
  await page.getByRole('button', { name: 'Make a new secret' }).click()
  const second = await page.getByRole('dialog').getByText(/^[A-Za-z0-9]{43}$/).textContent()
  await page.getByRole('button', { name: 'I have copied it' }).click()
  expect([await token(first!), await token(second!)]).toEqual([200, 200])
  await page.getByText('The old secret ends').waitFor()
  await page.getByRole('button', { name: 'End it now' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click()
  await page.getByText('One secret is alive.').waitFor()
  expect([await token(first!), await token(second!)]).toEqual([401, 200])

  // What breaks is told; the name has to be typed.
  await page.getByRole('button', { name: 'Delete' }).click()
  const asked = page.getByRole('dialog')
  await asked.getByText(`${world.base}/v1/accounts/T00000000`).waitFor()
  await asked.getByRole('button', { name: 'Delete' }).click()
  await asked.getByRole('textbox').fill('billing')
  await asked.getByRole('button', { name: 'Delete' }).click()
  await heading(page, 'Clients').waitFor()
  expect(await token(second!)).toBe(401)
  await go(page, 'Audit log')
  await logged(page, 'client.created', 'grant.created', 'client.secret_rotated', 'client.old_secret_deleted', 'client.deleted')
  expect(faults).toEqual([])
})

test('names are text, whatever they look like', async () => {
  const { page, faults } = await visitor(world)
  await page.goto('/console/T00000000/roles/new')
  await signIn(page, 'boss@example.com')
  await heading(page, 'New role').waitFor()
  const names = [
    '<img src=x onerror=alert(1)>',
    '"><script>alert(1)</script>',
    "javascript:alert('1')",
    '{{constructor.constructor("alert(1)")()}}',
    '<svg/onload=alert(1)>',
    '\u202ereversed',
  ]
  for (const name of names) {
    await page.goto('/console/T00000000/roles/new')
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('What it is for').fill(name)
    await page.getByRole('button', { name: 'Create' }).click()
    await heading(page, name).waitFor()
  }
  await go(page, 'Roles')
  for (const name of names) await page.getByRole('link', { name, exact: true }).waitFor()
  await go(page, 'Audit log')
  await page.getByRole('button', { name: 'role.created' }).first().click()
  await page.getByRole('dialog').getByText('name', { exact: true }).waitFor()
  expect(faults).toEqual([])
})

/** Somebody who may do all there is in an account of its own. */
async function shopkeeper() {
  const operator = await visitor(world)
  await operator.page.goto('/console/T00000000')
  await signIn(operator.page, 'boss@example.com')
  await heading(operator.page, 'Overview').waitFor()
  await newAccount(operator.page, 'Southern Partners', 'T11300000')
  await operator.page.getByRole('link', { name: 'Enter' }).click()
  await operator.page.getByRole('alert').filter({ hasText: 'Acting on T11300000' }).waitFor()
  await invite(operator.page, 'keeper@example.com', { scopes: ['admin:accounts', 'admin:customers', 'admin:installers'] })
  const keeper = await arrive('keeper@example.com', await world.mailed('keeper@example.com'))
  await keeper.page.getByRole('link', { name: 'Southern Partners' }).click()
  await heading(keeper.page, 'Overview').waitFor()
  return keeper
}

test('customers are brought in by a file, found, changed, marked and erased; an installer is approved', async () => {
  const { page, faults } = await shopkeeper()
  await go(page, 'Customers')
  const lines = [{ customer_id: 'c-1', first_name: 'Ola', last_name: 'Nordmann', email: 'ola@example.com' }, { customer_id: 'c-2', email: 'no address' }, { customer_id: 'c-3', first_name: 'Eva' }]
  const file = { name: 'people.ndjson', mimeType: 'application/x-ndjson', buffer: Buffer.from(lines.map((line) => JSON.stringify(line)).join('\n')) }
  const choosing = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Import' }).click()
  await (await choosing).setFiles(file)
  const told = page.getByRole('status').filter({ hasText: 'people.ndjson is imported.' })
  await told.getByText('2 created, 0 were there, 1 refused').waitFor()
  await told.getByText(/Line 2:.*email/).waitFor()
  await told.getByRole('button', { name: 'Close' }).click()

  await go(page, 'Tags')
  await page.getByLabel('New tag').fill('vip')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('cell', { name: 'vip', exact: true }).waitFor()

  await go(page, 'Customers')
  await page.getByLabel('Search customers').fill('nordm')
  await page.getByRole('link', { name: 'Ola Nordmann' }).waitFor()
  await expect.poll(() => page.getByRole('table', { name: 'Customers' }).getByRole('row').count()).toBe(2)
  await page.getByRole('link', { name: 'Ola Nordmann' }).click()
  await page.getByLabel('Last name').fill('Hansen')
  await page.getByLabel('Metadata').fill('{"store": 7}')
  await page.getByRole('button', { name: 'Save' }).click()
  await heading(page, 'Ola Hansen').waitFor()
  // What the server finds wrong stands beside the field.
  await page.getByLabel('Phone number').fill('nonsense')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect.poll(() => page.getByLabel('Phone number').getAttribute('aria-invalid')).toBe('true')
  await page.getByLabel('Phone number').fill('')
  await page.getByRole('combobox', { name: 'Tags' }).click()
  await page.getByRole('option', { name: 'vip' }).click()
  await page.keyboard.press('Escape')
  const saving = page.waitForEvent('download')
  await page.getByRole('button', { name: 'All that is known' }).click()
  expect((await saving).suggestedFilename()).toBe('c-1.json')

  await page.goto('/console/T11300000/tags')
  await page.getByRole('link', { name: 'Who has it' }).click()
  await page.getByRole('link', { name: 'Ola Hansen' }).click()
  await page.getByRole('button', { name: 'Erase' }).click()
  const asked = page.getByRole('dialog')
  await asked.getByRole('textbox').fill('c-1')
  await asked.getByRole('button', { name: 'Erase' }).click()
  await heading(page, 'Customers').waitFor()
  await page.getByText('No customer matches.').or(page.getByRole('link', { name: 'Eva' })).first().waitFor()
  await page.getByRole('link', { name: 'Ola Hansen' }).waitFor({ state: 'detached' })

  // An installer signs up as one does over the API, and is approved by somebody who looks at what was handed in.
  const api = `${world.base}/v1/accounts/T11300000/installer`
  const call = async (path: string, body: object, token?: string) => {
    const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }
    const answer = await fetch(`${api}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    expect(answer.ok, `${path} ${await answer.clone().text()}`).toBe(true)
    return answer.json()
  }
  const person = { email: 'ins@example.com', password: 'Correct horse 7 battery staple' }
  await call('signup', { ...person, first_name: 'Ine', last_name: 'Installer', phone: '+4799999999', company: 'Wires AS' })
  const { access_token } = await call('login', person)
  await call('verify-identity', {
    document_type: 'passport',
    document_number: 'N1234567',
    document_expiry: '2099-01-01',
    selfie_url: 'https://pictures.example.com/selfie.jpg',
    document_front_url: 'https://pictures.example.com/front.jpg',
  }, access_token)
  await go(page, 'Installers')
  await page.getByRole('link', { name: 'Ine Installer' }).click()
  await page.getByText('N1234567').waitFor()
  await page.getByRole('button', { name: 'Approve' }).click()
  await page.getByText('Approved', { exact: true }).waitFor()
  await go(page, 'Audit log')
  await logged(page, 'installer.approved', 'customer.created', 'customer.updated', 'customer.deleted', 'tag.created')
  expect(faults).toEqual([])
})
