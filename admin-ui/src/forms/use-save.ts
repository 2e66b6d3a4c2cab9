import type { UseFormReturnType } from '@mantine/form'
import { useBlocker } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { queries } from '../api/queries'
import { isLeaving } from '../api/session'
import { t } from '../words/words'
import { useDirty } from './fresh'
import { show } from './told'

/** Forms in which something unsaved stands. */
const unsaved = new Set<object>()

/** Whether nothing is lost by going, or whoever is asked goes all the same. */
export function nothingUnsaved(): boolean {
  return unsaved.size === 0 || window.confirm(t('Leave without saving?'))
}

/**
 * Saves what stands in a form, once at a time: its errors beside the fields, all that is shown read anew. Whoever leaves with something
 * unsaved is asked first.
 */
export function useSave<V extends object, R>(form: UseFormReturnType<V>, save: (values: V) => Promise<R>, done: (result: R) => void) {
  const [saving, setSaving] = useState(false)
  const busy = useRef(false)
  const saved = useRef(false)
  const own = useRef({})
  const dirty = form.isDirty()
  useEffect(() => {
    const form = own.current
    if (dirty) unsaved.add(form)
    else unsaved.delete(form)
    return () => void unsaved.delete(form)
  }, [dirty])
  useDirty(dirty)
  useBlocker({
    shouldBlockFn: () => !saved.current && form.isDirty() && !window.confirm(t('Leave without saving?')),
    enableBeforeUnload: () => !saved.current && !isLeaving() && form.isDirty(),
  })
  const submit = form.onSubmit(async (values) => {
    if (busy.current) return
    busy.current = true
    setSaving(true)
    try {
      const result = await save(values)
      saved.current = true
      // What was typed meanwhile is not saved yet.
      form.resetDirty(values)
      await queries.invalidateQueries()
      done(result)
    } catch (error) {
      show(form, error)
    } finally {
      busy.current = false
      saved.current = false
      setSaving(false)
    }
  })
  return { submit, saving }
}
