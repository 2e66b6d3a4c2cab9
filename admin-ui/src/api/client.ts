/** The API as pages use it: typed by what the server serves, each request with the token of the account that it is about. */
import createClient from 'openapi-fetch'
import createQueries from 'openapi-react-query'
import type { components, paths } from './schema'
import { queries } from './queries'
import { KEPT, type Token, bearer, drop, dropFor, enter, problem, whoAmI } from './session'

export type Schema = components['schemas']

/** The account that a path is about. */
function accountOf(url: string): string | undefined {
  return /^\/v1\/accounts\/([PT]\d{8})\//.exec(new URL(url).pathname)?.[1]
}

async function fetchAsOneself(request: Request): Promise<Response> {
  const account = accountOf(request.url)
  const token = () => (account ? enter(account) : whoAmI())
  const again = request.clone()
  const send = async (request: Request, token: Token) => {
    for (const [name, value] of Object.entries(bearer(token))) request.headers.set(name, value)
    return fetch(request)
  }
  const first = await token()
  const answer = await send(request, first)
  if (answer.status === 403 && account && Date.now() - first.since > KEPT) {
    // One's rights may have changed: what one may do is shown anew, and not at each refusal of what is asked again and again.
    dropFor(account)
    void queries.invalidateQueries({ queryKey: ['token', account] })
  }
  if (answer.status !== 401) return answer
  drop(first)
  return send(again, await token())
}

export const client = createClient<paths>({ baseUrl: location.origin, fetch: fetchAsOneself })

// What is not 2xx is thrown, as one kind of error.
client.use({
  async onResponse({ response }) {
    if (!response.ok) throw await problem(response)
  },
})

export const api = createQueries(client)
