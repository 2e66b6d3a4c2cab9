// From the OpenAPI document that the server serves (kept by its tests): the types of the API, and the scopes that each operation needs.
import { readFileSync, writeFileSync } from 'node:fs'
import openapi, { astToString } from 'openapi-typescript'

const kept = new URL('../../tests/stories/snapshots/stories__openapi__openapi.snap', import.meta.url)
const text = readFileSync(kept, 'utf8')
const served = JSON.parse(text.slice(text.indexOf('\n---\n') + 5))

const needs = {}
for (const operations of Object.values(served.paths)) {
  for (const operation of Object.values(operations)) {
    const scopes = (operation.security ?? []).flatMap((way) => way.bearer ?? [])
    needs[operation.operationId] = [...new Set(scopes)]
  }
}
const src = new URL('../src/api/', import.meta.url)
writeFileSync(new URL('schema.ts', src), astToString(await openapi(served)))
const told = '/** Scopes of which each operation needs one; none: any token will do. Generated. */\n'
writeFileSync(new URL('needs.ts', src), `${told}export const needs = ${JSON.stringify(needs, null, 2)} as const\n`)
