/** How much of the console has to come over the line before somebody can do something, and how long that takes. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type World, choosePassword, signIn, startWorld, visitor } from './world'

let world: World

beforeAll(async () => {
  world = await startWorld()
  await choosePassword((await visitor(world)).page, world.link)
})

afterAll(() => world?.stop())

/** KiB of scripts that a page has fetched, as they were sent. */
const scripts = (page: Page) =>
  page.evaluate(() => {
    const all = performance.getEntriesByType('resource') as PerformanceResourceTiming[]
    const sent = all.filter((one) => one.name.endsWith('.js')).reduce((sum, one) => sum + one.encodedBodySize, 0)
    return sent / 1024
  })

test('the first page comes quickly: its scripts are small', async () => {
  const { page } = await visitor(world)
  await page.goto('/console')
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  const before = await scripts(page)
  await signIn(page, 'boss@example.com')
  await page.getByRole('heading', { name: 'Your accounts' }).waitFor()
  await page.waitForLoadState('networkidle')
  const home = await scripts(page)
  console.log(`KiB of scripts: ${before.toFixed(0)} for the sign-in, ${home.toFixed(0)} with the first page`)
  expect(before).toBeGreaterThan(10)
  expect(before).toBeLessThan(300)
  expect(home).toBeLessThan(450)
})

/** Milliseconds from asking for a page until somebody can use it: what is wanted stands there, and nothing keeps the browser busy. */
async function interactive(page: Page, wanted: string): Promise<number> {
  await page.getByRole('heading', { name: wanted, level: 1 }).waitFor()
  return page.evaluate(() => new Promise<number>((done) => requestIdleCallback(() => done(performance.now()))))
}

/** The best of ten, or the first that is soon enough: what else this machine does is not the console's doing. */
async function best(limit: number, once: () => Promise<number>): Promise<number> {
  let least = Infinity
  for (let time = 0; time < 10 && least >= limit; time++) least = Math.min(least, await once())
  return least
}

/** In milliseconds. */
const SECOND = 1000
const TENTH = 100

test('a page can be used within a second, and the next one within a tenth', async () => {
  const first = await best(SECOND, async () => {
    const { page } = await visitor(world)
    await page.goto('/console')
    const taken = await interactive(page, 'Sign in')
    await page.context().close()
    return taken
  })
  const { page } = await visitor(world)
  await page.goto('/console/T00000000/roles')
  await signIn(page, 'boss@example.com')
  await page.getByRole('heading', { name: 'Roles', level: 1 }).waitFor()
  const again = await best(SECOND, async () => {
    await page.reload()
    return interactive(page, 'Roles')
  })
  // Until the heading and the list of another page, whose data are there, have been painted.
  const turn = (name: string) =>
    page.evaluate(async ([name]) => {
      const link = [...document.querySelectorAll('nav a')].find((one) => one.textContent === name) as HTMLElement
      const begun = performance.now()
      link.click()
      const there = () => document.querySelector('h1')?.textContent === name && !document.querySelector('[aria-label="Loading"]')
      while (!there()) await new Promise(requestAnimationFrame)
      await new Promise(requestAnimationFrame)
      return performance.now() - begun
    }, [name])
  for (const name of ['Clients', 'Roles', 'Users', 'Audit log']) await turn(name)
  const elsewhereTo = (name: string) =>
    best(TENTH, async () => {
      await turn('Audit log')
      return turn(name)
    })
  const turns = Math.max(await elsewhereTo('Clients'), await elsewhereTo('Roles'), await elsewhereTo('Users'))
  console.log(`ms: sign-in ${first.toFixed(0)}, a page ${again.toFixed(0)}, another page with a warm cache ${turns.toFixed(0)}`)
  expect(first).toBeLessThan(SECOND)
  expect(again).toBeLessThan(SECOND)
  expect(turns).toBeLessThan(TENTH)
})

test('a list of any length is read a hundred rows at the most at once, and only those in sight stand in the page', async () => {
  const { page } = await visitor(world)
  await page.goto('/console/T00000000/customers')
  await signIn(page, 'boss@example.com')
  const count = 600
  const lines = Array.from({ length: count }, (_, at) => JSON.stringify({ customer_id: `c-${String(at).padStart(4, '0')}`, first_name: `Name ${String(at).padStart(4, '0')}` }))
  const choosing = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Import' }).click()
  await (await choosing).setFiles({ name: 'many.ndjson', mimeType: 'application/x-ndjson', buffer: Buffer.from(lines.join('\n')) })
  await page.getByText(`${count} created, 0 were there, 0 refused`).waitFor()
  const asked: number[] = []
  await page.reload()
  page.on('response', (answer) => {
    // What the page before had asked for is gone with it.
    const gone = () => undefined
    if (/\/customers\/users\?/.test(answer.url())) answer.json().then((rows: unknown[]) => asked.push(rows.length), gone)
  })
  const rows = page.getByRole('table', { name: 'Customers' }).getByRole('row')
  let most = 0
  await expect
    .poll(
      async () => {
        await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight))
        most = Math.max(most, await rows.count())
        return Number(await rows.last().getAttribute('aria-rowindex'))
      },
      { timeout: 30_000, interval: 20 },
    )
    .toBe(count + 1)
  expect(asked.length).toBeGreaterThanOrEqual(count / 100)
  expect(Math.max(...asked)).toBeLessThanOrEqual(100)
  expect(most).toBeLessThan(150)
  // What is looked for is looked for by the server.
  await page.evaluate(() => window.scrollTo(0, 0))
  await page.getByLabel('Search customers').fill('Name 0599')
  await page.getByRole('link', { name: 'Name 0599' }).waitFor()
  await expect.poll(() => rows.count()).toBe(2)
})
