import type { UseFormReturnType } from '@mantine/form'
import { failed } from '../ui/confirm'

/** Asks what stands in a form, without a session; what fails on the way is told. */
export function useAsk<V extends object>(form: UseFormReturnType<V>, ask: (values: V) => Promise<unknown>) {
  return form.onSubmit(async (values) => {
    try {
      await ask(values)
    } catch (error) {
      failed(error)
    }
  })
}
