/** A real server on a database of its own, with a real mail server, and a real browser. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core'

const ROOT = resolve(import.meta.dirname, '../..')
export const PASSWORD = 'correct horse battery staple'
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']

interface Mail {
  to: string[]
  text: string
}

export interface World {
  base: string
  /** Where whoever administers everything chooses a password. */
  link: string
  browser: Browser
  /** The link of the last message to somebody, once it has come. */
  mailed: (to: string) => Promise<string>
  /** The text of the last message to somebody, once one has come. */
  said: (to: string) => Promise<string>
  stop: () => Promise<void>
}

async function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** Lines of JSON that a process prints, until it is stopped. */
function lines(stream: NodeJS.ReadableStream, told: (line: Record<string, unknown>) => void) {
  createInterface({ input: stream }).on('line', (line) => {
    if (line.startsWith('{')) told(JSON.parse(line))
  })
}

export async function startWorld(): Promise<World> {
  const data = mkdtempSync(join(tmpdir(), 'tenantry-console-'))
  const sink = spawn(join(ROOT, 'scripts/smtp-sink'), [], { stdio: ['ignore', 'pipe', 'inherit'] })
  const mails: Mail[] = []
  const smtp = await new Promise<number>((done) =>
    lines(sink.stdout, (line) => (typeof line.port === 'number' ? done(line.port) : mails.push(line as unknown as Mail))),
  )
  const base = `http://127.0.0.1:${await freePort()}`
  const env = {
    TENANTRY_DATA_DIR: data,
    TENANTRY_DATABASE_URL: `sqlite://${data}/tenantry.db`,
    TENANTRY_LISTEN: base.slice('http://'.length),
    TENANTRY_METRICS_LISTEN: '127.0.0.1:0',
    TENANTRY_PUBLIC_URL: base,
    TENANTRY_LOG_FORMAT: 'json',
    TENANTRY_SMTP_URL: `smtp://127.0.0.1:${smtp}`,
    TENANTRY_MAIL_FROM: 'Tenantry <no-reply@example.com>',
  }
  const program = process.env.TENANTRY_PROGRAM ?? join(ROOT, 'target/debug/tenantry')
  const made = JSON.parse(execFileSync(program, ['bootstrap', '--json', '--admin', 'boss@example.com'], { env, cwd: data, stdio: ['ignore', 'pipe', 'pipe'] }).toString())
  const server = spawn(program, ['serve'], { env, cwd: data, stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>((done, failed) => {
    lines(server.stderr, (line) => line.listen && done())
    server.on('exit', (code) => failed(new Error(`the server ended with ${code}`)))
  })
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: QUIET })
  const said = async (to: string) => {
    for (let tries = 0; tries < 400; tries++) {
      const mail = mails.findLast((mail) => mail.to.includes(to))
      if (mail) return mail.text
      await new Promise((done) => setTimeout(done, 50))
    }
    throw new Error(`no message to ${to}`)
  }
  const ended = (child: ChildProcess) => new Promise((done) => (child.exitCode === null ? child.once('exit', done).kill() : done(0)))
  return {
    base,
    link: made.admin_link,
    browser,
    said,
    mailed: async (to) => {
      const link = /https?:\/\/\S+/.exec(await said(to))?.[0]
      if (!link) throw new Error(`no link in the message to ${to}`)
      return link
    },
    stop: async () => {
      await browser.close()
      await Promise.all([ended(server), ended(sink)])
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** A browser of somebody's own; `faults` gathers what its pages complain of. */
export async function visitor(world: World, options: BrowserContextOptions = {}) {
  const context = await world.browser.newContext({ baseURL: world.base, locale: 'en-GB', ...options })
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    // What the server refuses the browser tells, too; pages show it.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text())
  })
  return { page, faults }
}

/** Chooses a password where a link leads. */
export async function choosePassword(page: Page, link: string) {
  await page.goto(link)
  await page.getByLabel(/password/i).first().fill(PASSWORD)
  await page.getByRole('button').first().click()
}

export async function signIn(page: Page, email: string) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel(/^Password/).fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

export const heading = (page: Page, name: string) => page.getByRole('heading', { name, level: 1 })

/** To another page of the account. */
export const go = (page: Page, name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click()
