import type { UseFormReturnType } from '@mantine/form'

/** Of a request those fields whose inputs differ from what was there: what somebody else has changed meanwhile stays. */
export function changed<V extends object, B extends { [name in keyof B]: unknown }>(form: UseFormReturnType<V>, body: B): Partial<B> {
  return Object.fromEntries(Object.entries(body).filter(([name]) => form.isDirty(name as never))) as Partial<B>
}
