/**
 * Every page at a phone's and a desk's width, in light and in dark: nothing that axe finds, nothing wider than the screen. With
 * SCREENSHOTS=1 each is kept as a picture.
 */
import AxeBuilder from '@axe-core/playwright'
import { mkdirSync } from 'node:fs'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, type World, choosePassword, signIn, startWorld, visitor } from './world'

let world: World
/** Where each page stands, once there is something to show. */
const places: Record<string, string> = {
  accounts: 'T00000000/accounts',
  audit: 'T11200001/audit',
  clients: 'T11200001/clients',
  customers: 'T11200001/customers',
  'customers-filtered': 'T11200001/customers?email=ola&deleted=yes',
  'customer-settings': 'T11200001/customer-settings',
  'auth-users': 'T11200001/auth-users',
  'auth-user': 'T11200001/auth-users/ola',
  terms: 'T11200001/terms',
  messages: 'T11200001/messages',
  'messages-empty': 'T11200000/messages?state=failed',
  installers: 'T11200001/installers',
  'installers-none': 'T00000000/installers?state=rejected',
  tags: 'T11200001/tags',
  grants: 'T11200001/grants',
  home: '',
  keys: 'T11200001/keys',
  overview: 'T11200000',
  'overview-acting': 'T11200001',
  profile: 'profile',
  roles: 'T11200001/roles',
  'roles-empty': 'T11200000/roles',
  'roles-nothing': 'T11200001/roles?search=nobody',
  settings: 'T11200001/settings',
  'role-new': 'T11200001/roles/new',
  users: 'T11200001/users',
  'user-new': 'T11200001/users/new',
  'not-there': 'T11200001/roles/00000000-0000-7000-8000-000000000000',
  'not-allowed': 'T99900001',
}

/** Asks the API as whoever is signed in on this page does. */
async function ask(page: Page, account: string, path: string, body: object): Promise<{ id: string }> {
  const call = async (path: string, token: string | undefined, body: object) => {
    const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }
    const answer = await page.request.post(`${world.base}${path}`, { headers: { ...headers, Origin: world.base }, data: body })
    expect(answer.ok(), await answer.text()).toBe(true)
    return answer.json()
  }
  const tokenOf = async (account: string, above?: string) =>
    above
      ? (
          await call(`/v1/accounts/${account}/auth/token`, undefined, {
            grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
            subject_token: above,
            subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          })
        ).access_token
      : (await call(`/v1/accounts/${account}/auth/token`, me, { grant_type: 'account_user' })).access_token
  const me = (await call('/v1/account/session', undefined, {})).access_token
  const token = account.endsWith('00000') && account !== 'T00000000' ? await tokenOf(account) : await tokenOf('T00000000')
  if (account === 'T00000000' || account.endsWith('00000')) return call(`/v1/accounts/${account}/${path}`, token, body)
  const above = `${account.slice(0, 4)}00000`
  return call(`/v1/accounts/${account}/${path}`, await tokenOf(account, await tokenOf(above)), body)
}

/** Where somebody who was invited chooses a password. */
let link = ''
let cookies: Awaited<ReturnType<ReturnType<Page['context']>['storageState']>>

beforeAll(async () => {
  world = await startWorld()
  const { page } = await visitor(world)
  await choosePassword(page, world.link)
  await page.goto('/console')
  await signIn(page, 'boss@example.com')
  await page.getByRole('heading', { name: 'Your accounts' }).waitFor()
  await ask(page, 'T00000000', 'management/accounts', { display_name: 'Northern Partners', account_id: 'T11200000' })
  await invite(page)
  const fill = (account: string, path: string, body: object) => ask(page, account, path, body)
  for (const name of ['Shop by the Sea', 'A shop whose name is so long that it hardly fits on the screen of a telephone, and goes on']) {
    await fill('T11200000', 'management/accounts', { display_name: name })
  }
  const client = (await fill('T11200001', 'auth/clients', { client_id: 'billing', name: 'Billing', description: 'Sends invoices' })) as { id: string }
  places.client = `T11200001/clients/${client.id}`
  const audience = `${world.base}/v1/accounts/T11200001`
  await fill('T11200001', 'auth/client-grants', { client_id: 'billing', audience, scope: ['read:accounts'] })
  const role = await fill('T11200001', 'auth/roles', { name: 'Support', description: 'Answers the phone', scope: ['read:accounts', 'write:accounts:/auth/users'] })
  places.role = `T11200001/roles/${role.id}`
  const user = await fill('T11200001', 'management/users', { email: 'kari@example.com', name: 'Kari Nordmann', roles: [{ id: role.id }], scope: ['read:accounts'] })
  places.user = `T11200001/users/${user.id}`
  const links = [{ rel: 'email', href: 'mailto:nobody@example.com' }]
  const mfa = { challenge_type: 'oob', oob_channels: ['email'] }
  await fill('T11200001', 'auth/users', { username: 'ola', password: PASSWORD, links, mfa })
  await fill('T11200001', 'management/users', { email: 'nobody@example.com', scope: ['read:accounts'] })
  await fill('T11200001', 'customers/terms', { terms: 'You agree to what stands here.\n\n'.repeat(20) })
  await fill('T11200001', 'customers/tags', { tag: 'vip' })
  await fill('T11200001', 'customers/users', { type: 'customer', customer_id: 'c-1', first_name: 'Ola', last_name: 'Nordmann', email: 'ola@example.com', metadata: { store: 7 } })
  await fill('T11200001', 'customers/users', { type: 'company', customer_id: 'c-2', company: { bussiness_name: 'A company whose name is long enough to be a nuisance' } })
  await fill('T11200001', 'customers/users/c-1/tokens', { type: 'card', value: '5413330089604111' })
  places.customer = 'T11200001/customers/c-1'
  places.account = 'T11200000/accounts/T11200001'
  places.installer = `T11200001/installers/${await installer()}`
  link = await world.mailed('kari@example.com')
  cookies = await page.context().storageState()
}, 120_000)

/** Somebody who works in the field, and has handed in a document. */
async function installer(): Promise<string> {
  const call = async (path: string, body: object, token?: string) => {
    const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }
    const answer = await fetch(`${world.base}/v1/accounts/T11200001/installer/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    expect(answer.ok, `${path} ${await answer.clone().text()}`).toBe(true)
    return answer.json()
  }
  const person = { email: 'ins@example.com', password: 'Correct horse 7 battery staple' }
  await call('signup', { ...person, first_name: 'Ine', last_name: 'Installer', phone: '+4799999999', company: 'Wires AS' })
  const { access_token } = await call('login', person)
  const picture = 'https://pictures.example.com/picture.jpg'
  const document = { document_type: 'passport', document_number: 'N1234567', document_expiry: '2099-01-01', selfie_url: picture, document_front_url: picture }
  await call('verify-identity', document, access_token)
  const answer = await fetch(`${world.base}/v1/accounts/T11200001/installer/profile`, { headers: { Authorization: `Bearer ${access_token}` } })
  return (await answer.json()).installer_id
}

/** The operator is a member of the partner, too: what is below is reached by exchange. */
async function invite(page: Page) {
  await page.goto('/console/T11200000/users/new')
  await page.getByLabel('E-mail').fill('boss@example.com')
  for (const scope of ['admin:accounts', 'admin:customers', 'admin:installers']) await page.getByRole('checkbox', { name: scope, exact: true }).check()
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  await page.getByRole('heading', { name: 'boss@example.com' }).waitFor()
}

afterAll(() => world?.stop())

/** A page of whoever is signed in; the next one goes on with the session. What it complains of is looked at in the end. */
async function lookAround(options: BrowserContextOptions, look: (page: Page, faults: string[]) => Promise<void>) {
  const { page, faults } = await visitor(world, { ...options, storageState: cookies })
  try {
    await look(page, faults)
  } finally {
    cookies = await page.context().storageState()
  }
  expect(faults).toEqual([])
}

async function settled(page: Page, trouble: boolean) {
  const title = page.getByRole('heading', { level: 1 })
  await title.first().waitFor()
  await page.getByRole('status', { name: /Loading|Laster/ }).first().waitFor({ state: 'detached' })
  if (trouble) return
  const alerts = page.getByRole('alert').or(title).filter({ hasText: /did not work|Not allowed|Not found|gikk ikke/ })
  expect(await alerts.count(), `${page.url()} is in trouble`).toBe(0)
}

/** What is wrong with a page. */
async function look(page: Page, name: string): Promise<string[]> {
  const found = await new AxeBuilder({ page }).analyze()
  const told = found.violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`)
  return [...(await wider(page, name)), ...told]
}

async function wider(page: Page, name: string): Promise<string[]> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  return wide > 0 ? [`${name}: ${wide} px wider than the screen`] : []
}

for (const [width, colorScheme, always] of [
  [360, 'dark', true],
  [1440, 'light', true],
  [360, 'light', false],
  [1440, 'dark', false],
] as const) {
  if (always || process.env.SCREENSHOTS) {
    test(`every page, ${width} wide, ${colorScheme}`, { timeout: 300_000 }, async () => {
      const options = { colorScheme, reducedMotion: 'reduce', viewport: { width, height: 900 } } as const
      const out = await visitor(world, options)
      await out.page.goto('/console')
      await lookAround(options, async (page, faults) => {
        const all = [
          [out.page, 'sign-in', '/console/sign-in'] as const,
          [out.page, 'choose-password', link] as const,
          ...Object.entries(places).map(([name, place]) => [page, name, `/console/${place}`] as const),
        ]
        for (const [page, name, place] of all) {
          await page.goto(place)
          await settled(page, name.startsWith('not-'))
          if (process.env.SCREENSHOTS) {
            mkdirSync('screenshots', { recursive: true })
            await page.screenshot({ path: `screenshots/${name}-${width}-${colorScheme}.png`, fullPage: true })
          }
          faults.push(...(await look(page, name)))
          if (name === 'not-allowed') await page.getByRole('heading', { name: 'Not allowed' }).waitFor()
          if (name === 'not-there') await page.getByRole('heading', { name: 'Not found' }).waitFor()
        }
      })
      await out.page.goto('/console/sign-in')
      await out.page.getByRole('button', { name: 'Forgot the password?' }).click()
      await out.page.getByRole('button', { name: 'Send a link' }).waitFor()
      out.faults.push(...(await look(out.page, 'forgot')))
      expect(out.faults).toEqual([])
    })
  }
}

/** What is opened over a page, and by which button of it. */
const DIALOGS = [
  ['T00000000/accounts', 'New account'],
  ['T11200001/clients', 'New client'],
  ['T11200001/grants', 'New grant'],
  ['T11200001/grants', 'Withdraw'],
  ['T11200001/keys', 'Rotate keys'],
  ['T11200001/auth-users', 'New auth user'],
  ['T11200001/customers', 'New customer'],
  ['T11200001/customers', 'More filters'],
  ['T11200001/customers/c-1', 'Change the customer ID'],
  ['T11200001/customers/c-1', 'New token'],
  ['T11200001/customers/c-1', 'Events'],
  ['T11200001/customers/c-1', 'Erase'],
  ['T11200001/installers/ins', 'Reject'],
  ['T11200001/terms', 'New terms'],
  ['T11200001/terms', 'Read'],
  ['T11200001/messages', 'Take it back'],
  ['T11200001/audit?type=role.created', 'role.created'],
  ['T11200001', 'Go to'],
] as const

for (const [width, colorScheme] of [
  [400, 'dark'],
  [1440, 'light'],
] as const) {
  test(`everything that opens over a page, ${width} wide, ${colorScheme}`, { timeout: 300_000 }, async () => {
    await lookAround({ colorScheme, reducedMotion: 'reduce', viewport: { width, height: 900 } }, async (page, faults) => {
      for (const [place, button] of DIALOGS) {
        if (button === 'Go to' && width < 576) continue
        await page.goto(`/console/${place === 'T11200001/installers/ins' ? places.installer : place}`)
        await page.getByRole('button', { name: button }).first().click()
        const dialog = page.getByRole('dialog')
        await dialog.waitFor()
        await page.waitForLoadState('networkidle')
        faults.push(...(await look(page, `${place} ${button}`)))
        // One leaves it by the keyboard, and stands where one was.
        await page.keyboard.press('Escape')
        await dialog.waitFor({ state: 'detached' })
        const at = await page.evaluate(() => document.activeElement?.textContent || document.activeElement?.ariaLabel)
        if (!at?.includes(button)) faults.push(`${place} ${button}: afterwards one stands at ${at}`)
      }
    })
  })
}

test('every page fits a phone in Norwegian, too', { timeout: 300_000 }, async () => {
  await lookAround({ locale: 'nb-NO', viewport: { width: 360, height: 800 } }, async (page, faults) => {
    for (const [name, place] of Object.entries(places).filter(([name]) => !name.startsWith('not-'))) {
      await page.goto(`/console/${place}`)
      await settled(page, false)
      faults.push(...(await wider(page, name)))
    }
    await page.goto('/console/T11200001/roles')
    await page.getByRole('heading', { name: 'Roller' }).waitFor()
  })
})
