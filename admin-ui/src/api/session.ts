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
  /** Milliseconds since 1970 from when on another one is taken. */
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
/** Another token is taken so many milliseconds before one ends. */
const EARLY = 30_000

let identity: Promise<Token> | undefined
let subject: string | undefined
let own: Promise<OwnUser> | undefined
const entered = new Map<string, Promise<Token>>()

function tokenOf(answer: components['schemas']['AccessToken'], through?: string): Token {
  const scopes = new Set(answer.scope.split(' ').filter(Boolean))
  const token = { text: answer.access_token, scopes, until: Date.now() + answer.expires_in * 1000 - EARLY }
  return through === undefined ? token : { ...token, through }
}

/** The token if it is good still, else another: one for all who ask meanwhile. What fails is not kept. */
function renewed(kept: () => Promise<Token> | undefined, keep: (token?: Promise<Token>) => void, make: () => Promise<Token>): Promise<Token> {
  const start = () => {
    const made = make()
    keep(made)
    made.catch(() => kept() === made && keep(undefined))
    return made
  }
  const old = kept()
  if (!old) return start()
  const another = () => (kept() === old ? start() : renewed(kept, keep, make))
  return old.then((token) => (token.until > Date.now() ? token : another()), another)
}

/** Says who one is. */
export function whoAmI(): Promise<Token> {
  return renewed(
    () => identity,
    (token) => (identity = token),
    async () => {
      const { data, error, response } = await open.POST('/v1/account/session')
      if (response.status === 401) throw new SignedOut()
      if (!data) throw await problem(response, error)
      // Somebody else has signed in beside this page: what it shows is not for those eyes.
      if (subject && subject !== claims(data.access_token).sub) location.assign('/console')
      subject = claims(data.access_token).sub
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
  identity = Promise.resolve(tokenOf(answer))
}

/** Forgets everything that was kept. */
export function forgetAll() {
  identity = undefined
  subject = undefined
  own = undefined
  entered.clear()
}

/** Takes another token for everything: one was refused, and those that it came from may be worth nothing, either. */
export function takeOthers() {
  identity = undefined
  entered.clear()
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
      if (member || !above) {
        return ask(account, { grant_type: 'account_user' }, await whoAmI())
      }
      const subject = await enter(above)
      const body = { grant_type: EXCHANGE, subject_token: subject.text, subject_token_type: ACCESS_TOKEN } as const
      return ask(account, body, undefined, above)
    },
  )
}

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
