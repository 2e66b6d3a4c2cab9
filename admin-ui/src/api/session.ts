/**
 * Who is signed in. The session stands in a cookie that no script reads; what it yields, and the tokens for accounts that come from
 * that, are kept in memory only.
 */
import createClient from 'openapi-fetch'
import { parentOf } from '../util/accounts'
import type { components, paths } from './schema'

export type OwnUser = components['schemas']['OwnUser']

/** A token, what it allows, and for whom one acts with it. */
export interface Token {
  text: string
  scopes: ReadonlySet<string>
  /** Milliseconds since 1970: when it came, and from when on another one is taken. */
  since: number
  until: number
  /** The account above, through which one came. */
  through?: string
}

/** Whoever is signed in no more. */
export class SignedOut extends Error {}

/** Asks without any token. */
export const open = createClient<paths>({ baseUrl: location.origin })

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** Another token is taken so many milliseconds before one ends, and after so many at the latest: rights may have changed. */
const EARLY = 30_000
export const KEPT = 60_000
/** For an exchange is told in two logs. */
const KEPT_EXCHANGED = 300_000

let identity: Promise<Token> | undefined
let subject: string | undefined
let own: Promise<OwnUser> | undefined
const entered = new Map<string, Promise<Token>>()
/** What has come of those that were asked for. */
const arrived = new WeakMap<Promise<Token>, Token>()

function tokenOf(answer: components['schemas']['AccessToken'], through?: string): Token {
  const scopes = new Set(answer.scope.split(' ').filter(Boolean))
  const lives = Math.min(answer.expires_in * 1000 - EARLY, through === undefined ? KEPT : KEPT_EXCHANGED)
  const since = Date.now()
  const token = { text: answer.access_token, scopes, since, until: since + lives }
  return through === undefined ? token : { ...token, through }
}

/** The token if it is good still, else another: one for all who ask meanwhile. What fails is not kept. */
function renewed(kept: () => Promise<Token> | undefined, keep: (token?: Promise<Token>) => void, make: () => Promise<Token>): Promise<Token> {
  const start = () => {
    const made = make()
    keep(made)
    made.then(
      (token) => arrived.set(made, token),
      () => kept() === made && keep(undefined),
    )
    return made
  }
  const old = kept()
  if (!old) return start()
  return old.then((token) => {
    if (token.until > Date.now()) return token
    return kept() === old ? start() : renewed(kept, keep, make)
  })
}

/** One tab after the other: each renewal replaces what stands in the cookie of all. */
async function alone<T>(renew: () => Promise<T>): Promise<T> {
  return 'locks' in navigator ? await navigator.locks.request('tenantry.session', renew) : renew()
}

/** Says who one is. */
export function whoAmI(): Promise<Token> {
  return renewed(
    () => identity,
    (token) => (identity = token),
    async () => {
      const { data, error, response } = await alone(() => open.POST('/v1/account/session'))
      if (response.status === 401) throw new SignedOut()
      if (!data) throw await problem(response, error)
      // Somebody else has signed in beside this page: what it shows is not for those eyes.
      const { sub } = claims(data.access_token)
      if (subject && subject !== sub) return leave('/console')
      subject = sub
      return tokenOf(data)
    },
  )
}

/** What a token of ours says of itself (RFC 7519, section 4.1). */
function claims(token: string): { sub: string; iss: string } {
  const text = token.split('.')[1] ?? ''
  return JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/')))
}

/** The address of the account that a token is for, as the world knows it. */
export function addressOf(token: Token): string {
  return claims(token.text).iss
}

/** After a sign-in. */
export function signedIn(answer: components['schemas']['AccessToken']) {
  forgetAll()
  subject = claims(answer.access_token).sub
  const token = tokenOf(answer)
  identity = Promise.resolve(token)
  arrived.set(identity, token)
}

/** Forgets everything that was kept. */
function forgetAll() {
  identity = undefined
  subject = undefined
  own = undefined
  entered.clear()
}

let leaving = false
/** Whether this page is on its way out: nothing that stands in it is asked about any more. */
export const isLeaving = () => leaving

/** Leads away at once. Whatever waits for an answer never gets one: it would be somebody else's. */
function leave(to: string): Promise<never> {
  leaving = true
  forgetAll()
  location.assign(to)
  return new Promise(() => undefined)
}

const OUT = 'signed out'
const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel('tenantry') : undefined
if (tabs) tabs.onmessage = ({ data }) => data === OUT && toSignIn()

/** Ends the session in this browser. What was kept goes with the page, here and in other tabs. */
export async function signOut() {
  const { error, response } = await open.POST('/v1/account/logout')
  if (!response.ok) throw await problem(response, error)
  return signedOut()
}

/** After a session was ended. */
export function signedOut(): Promise<never> {
  tabs?.postMessage(OUT)
  return leave('/console/sign-in')
}

/** Drops a token that was refused, if it is kept still. */
export function drop(refused: Token) {
  for (const [account, kept] of entered) if (arrived.get(kept) === refused) entered.delete(account)
  if (identity && arrived.get(identity) === refused) identity = undefined
}

/** Drops the token for an account: one has left it, or one's rights there have changed. */
export function dropFor(account: string) {
  entered.delete(account)
}

/** Leads to the sign-in, and from there back to where one is. What was kept goes with the page. */
export function toSignIn() {
  const back = location.pathname.replace(/^\/console/, '') + location.search
  location.assign(`/console/sign-in?back=${encodeURIComponent(back || '/')}`)
}

/** Who one is, and where one is a member. */
export function ownUser(again = false): Promise<OwnUser> {
  if (own && !again) return own
  own = whoAmI().then(async (token) => {
    const { data, error, response } = await open.GET('/v1/account/user', { headers: bearer(token) })
    if (data) return data
    throw await problem(response, error)
  })
  own.catch(() => (own = undefined))
  return own
}

/** A token for this account: as a member of it, or of the account above by exchange. */
export function enter(account: string): Promise<Token> {
  return renewed(
    () => entered.get(account),
    (token) => (token ? entered.set(account, token) : entered.delete(account)),
    async () => {
      const member = (await ownUser()).accounts.some((one) => one.account_id === account)
      const above = parentOf(account)
      const oneself = member || !above
      const from = () => (oneself ? whoAmI() : enter(above))
      const by = await from()
      try {
        return await (oneself ? askAsMember(account, by) : exchange(account, by, above))
      } catch (error) {
        if (!(error instanceof Problem && (error.status === 400 || error.status === 401))) throw error
        // What it comes from may have ended early: a session that was renewed, a key that was withdrawn.
        drop(by)
        const again = await from()
        return oneself ? askAsMember(account, again) : exchange(account, again, above)
      }
    },
  )
}

const askAsMember = (account: string, by: Token) => ask(account, { grant_type: 'account_user' }, by)
const exchange = (account: string, by: Token, above: string) =>
  ask(account, { grant_type: EXCHANGE, subject_token: by.text, subject_token_type: ACCESS_TOKEN }, undefined, above)

type TokenRequest = NonNullable<paths['/v1/accounts/{oid}/auth/token']['post']['requestBody']>['content']['application/json']

async function ask(oid: string, body: TokenRequest, by?: Token, through?: string): Promise<Token> {
  const headers = by ? bearer(by) : {}
  const { data, error, response } = await open.POST('/v1/accounts/{oid}/auth/token', { params: { path: { oid } }, body, headers })
  if (data) return tokenOf(data, through)
  throw await problem(response, error)
}

export function bearer(token: Token) {
  return { Authorization: `Bearer ${token.text}` }
}

/** What went wrong, as the server tells it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: readonly { field: string; message: string }[] = [],
  ) {
    super(message)
  }
}

/** Reads what went wrong; a body that says nothing of it is told by its status. */
export async function problem(response: Response, body?: unknown): Promise<Problem> {
  const told: unknown = body ?? (await response.clone().json().catch(() => undefined))
  const detail = (told as components['schemas']['Error'] | undefined)?.error
  if (detail && typeof detail === 'object') {
    return new Problem(response.status, detail.code, detail.message, detail.errors ?? [])
  }
  return new Problem(response.status, 'unknown', `The server answered ${response.status}.`)
}
