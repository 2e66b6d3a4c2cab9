/** What the server finds wrong, beside the field that it is about. */
import type { UseFormReturnType } from '@mantine/form'
import { Problem, problem } from '../api/session'
import { failed } from '../ui/confirm'

/** Shows what an answer says. */
export async function told<V extends object>(form: UseFormReturnType<V>, response: Response, body: unknown) {
  show(form, await problem(response, body))
}

/** Shows an error in a form: findings about fields of its own there, the rest as a notice. */
export function show<V extends object>(form: UseFormReturnType<V>, error: unknown) {
  const fields = error instanceof Problem ? error.fields : []
  const own = fields.flatMap(({ field, message }) => {
    const input = inputOf(form.getValues(), field)
    return input === undefined ? [] : [[input, message] as const]
  })
  form.setErrors(Object.fromEntries(own))
  if (own.length < Math.max(fields.length, 1)) failed(error)
}

/**
 * The input that a field of a request belongs to, as the form names it: `attributes[0].name` has one of its own, `scope[3]` is part of
 * `scope`, and `company.business_name` of `company` where that is one input.
 */
export function inputOf(values: object, field: string): string | undefined {
  const steps = field.split(/[.[\]]+/).filter(Boolean)
  let at: unknown = values
  let input: string | undefined
  for (const [nth, step] of steps.entries()) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) break
    const within = (at as Record<string, unknown>)[step]
    // A text in a list has no input of its own.
    if (Array.isArray(at) && typeof within !== 'object') break
    at = within
    input = steps.slice(0, nth + 1).join('.')
  }
  return input
}
