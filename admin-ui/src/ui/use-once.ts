import { useRef, useState } from 'react'
import { queries } from '../api/queries'
import { failed } from './confirm'

/** For a button that does something: once, however often it is clicked meanwhile; then all that is shown is read anew. */
export function useOnce(run: () => Promise<unknown>) {
  const busy = useRef(false)
  const [loading, setLoading] = useState(false)
  const go = async () => {
    if (busy.current) return
    busy.current = true
    setLoading(true)
    try {
      await run()
      await queries.invalidateQueries()
    } catch (error) {
      failed(error)
    } finally {
      busy.current = false
      setLoading(false)
    }
  }
  return { loading, onClick: () => void go() }
}
