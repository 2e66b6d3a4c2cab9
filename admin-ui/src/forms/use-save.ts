import type { UseFormReturnType } from '@mantine/form'
import { useBlocker } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { queries } from '../api/queries'
import { t } from '../words/words'
import { useDirty } from './fresh'
import { show } from './told'

/**
 * Saves what stands in a form: its errors beside the fields, all that is shown read anew. Whoever leaves with something unsaved is asked
 * first.
 */
export function useSave<V extends object, R>(form: UseFormReturnType<V>, save: (values: V) => Promise<R>, done: (result: R) => void) {
  const [saving, setSaving] = useState(false)
  const saved = useRef(false)
  useBlocker({
    shouldBlockFn: () => !saved.current && form.isDirty() && !window.confirm(t('Leave without saving?')),
    enableBeforeUnload: () => !saved.current && form.isDirty(),
  })
  useDirty(form.isDirty())
  const submit = form.onSubmit(async (values) => {
    setSaving(true)
    try {
      const result = await save(values)
      saved.current = true
      form.resetDirty()
      await queries.invalidateQueries()
      done(result)
    } catch (error) {
      show(form, error)
    } finally {
      setSaving(false)
      saved.current = false
    }
  })
  return { submit, saving }
}
