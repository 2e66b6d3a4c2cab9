/** Scopes: what one covers, and how all of them are laid out for people. */
import { needs } from '../api/needs'

export type Operation = keyof typeof needs

/** Whether a holder of `held` thereby holds `other` (contract section 3.5). */
export function covers(held: string, other: string): boolean {
  if (held === other) return true
  const one = parts(held)
  const two = parts(other)
  if (!one || !two || one.rest !== '' || one.resource !== two.resource) return false
  if (one.verb === 'admin') return true
  if (one.verb === 'write') return (two.verb === 'write' && two.rest.startsWith(':/')) || two.verb === 'create'
  if (one.verb === 'read') return (two.verb === 'read' && two.rest.startsWith(':/')) || (two.verb === 'public' && two.rest === '')
  return false
}

function parts(scope: string) {
  const [, verb, resource, rest] = /^([^:]*):([^:]*)(.*)$/s.exec(scope) ?? []
  return verb === undefined || resource === undefined ? undefined : { verb, resource, rest: rest ?? '' }
}

/** Whether one of `held` covers `scope`. */
export function holds(held: Iterable<string>, scope: string): boolean {
  for (const one of held) if (covers(one, scope)) return true
  return false
}

/** Whether an operation is allowed to whoever holds exactly these scopes. */
export function allows(held: ReadonlySet<string>, operation: Operation): boolean {
  const wanted: readonly string[] = needs[operation]
  return wanted.length === 0 || wanted.some((scope) => held.has(scope))
}

/** Verbs from the most to the least. */
export const VERBS = ['admin', 'write', 'create', 'read', 'public', 'user'] as const

/** All scopes that some operation asks for, by resource: those of the whole resource by verb, and those of a part of it. */
export interface Resource {
  name: string
  verbs: readonly string[]
  paths: readonly string[]
}

export const resources: readonly Resource[] = layOut(Object.values(needs).flat())

export function layOut(scopes: readonly string[]): Resource[] {
  const names = new Map<string, { verbs: Set<string>; paths: Set<string> }>()
  for (const scope of scopes) {
    const known = parts(scope)
    if (!known) continue
    const of = names.get(known.resource) ?? { verbs: new Set(), paths: new Set() }
    if (known.rest === '') of.verbs.add(known.verb)
    else of.paths.add(scope)
    names.set(known.resource, of)
  }
  const order = (verb: string) => (VERBS as readonly string[]).indexOf(verb)
  return [...names].sort().map(([name, { verbs, paths }]) => ({
    name,
    verbs: [...verbs].sort((one, two) => order(one) - order(two)),
    paths: [...paths].sort(),
  }))
}

/** What a change of scopes gives and takes, in effect: what is covered before and after is neither. */
export function difference(before: readonly string[], after: readonly string[]) {
  return {
    gives: after.filter((scope) => !holds(before, scope)),
    takes: before.filter((scope) => !holds(after, scope)),
  }
}
