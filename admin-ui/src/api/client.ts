/** The API as pages use it: typed by what the server serves, each request with the token of the account that it is about. */
import createClient from 'openapi-fetch'
import createQueries from 'openapi-react-query'
import type { components, paths } from './schema'
import { bearer, enter, problem, takeOthers, whoAmI } from './session'

export type Schema = components['schemas']

/** The account that a path is about. */
function accountOf(url: string): string | undefined {
  return /^\/v1\/accounts\/([PT]\d{8})\//.exec(new URL(url).pathname)?.[1]
}

async function fetchAsOneself(request: Request): Promise<Response> {
  const account = accountOf(request.url)
  const token = () => (account ? enter(account) : whoAmI())
  const again = request.clone()
  const send = async (request: Request) => {
    for (const [name, value] of Object.entries(bearer(await token()))) request.headers.set(name, value)
    return fetch(request)
  }
  const answer = await send(request)
  if (answer.status !== 401) return answer
  // It may have ended early: a session that was renewed, a key that was withdrawn.
  takeOthers()
  return send(again)
}

export const client = createClient<paths>({ baseUrl: location.origin, fetch: fetchAsOneself })

// What is not 2xx is thrown, as one kind of error.
client.use({
  async onResponse({ response }) {
    if (!response.ok) throw await problem(response)
  },
})

export const api = createQueries(client)
