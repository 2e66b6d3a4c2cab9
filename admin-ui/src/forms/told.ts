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
  const values = form.getValues()
  // `scope[3]` and `company.business_name` belong to the input that holds all of it.
  const own = fields.map(({ field, message }) => [field in values ? field : (field.split(/[.[]/)[0] ?? ''), message] as const)
  const known = own.filter(([field]) => field in values)
  form.setErrors(Object.fromEntries(known))
  if (known.length === 0) failed(error)
}
