/** What people do in the console, from the first sign-in on, against the real server. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type World, choosePassword, signIn, startWorld, visitor } from './world'

let world: World

beforeAll(async () => {
  world = await startWorld()
})

afterAll(() => world?.stop())

const heading = (page: Page, name: string) => page.getByRole('heading', { name, level: 1 })
const go = (page: Page, name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click()

/** Somebody whose browser is signed in, by the link that was sent. */
async function arrive(email: string, link: string) {
  const { page, faults } = await visitor(world)
  await choosePassword(page, link)
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
  const operator = await arrive('boss@example.com', world.link)
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
  await heading(kari.page, 'Roles').waitFor()

  // The role loses reading: so does she, at the very next request.
  await partner.page.goto(role)
  await partner.page.getByRole('link', { name: 'kari@example.com' }).waitFor()
  await partner.page.getByRole('checkbox', { name: 'read:accounts', exact: true }).uncheck()
  await partner.page.getByRole('alert').filter({ hasText: 'Takes' }).getByText('read:accounts').waitFor()
  await partner.page.getByRole('button', { name: 'Save' }).click()
  await partner.page.getByText('Saved.').waitFor()
  await kari.page.reload()
  await kari.page.getByRole('alert').filter({ hasText: 'Not allowed' }).waitFor()

  // The log of the shop tells who did it, and for whom.
  await go(partner.page, 'Audit log')
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
