/** How much of the console has to come over the line before somebody can do something. */
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
