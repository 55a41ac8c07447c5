/** What the server says, kept true: read on arrival, on each live word, on each reconnection. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { asFailure, type Failure } from '../fhir/failure'
import { oneAtATime } from '../live'
import { live } from '../server'

export interface Looked<T> {
  value?: T
  failure?: Failure
  /** Read again now. */
  look: () => void
}

/** `read` runs again when a resource of one of the types changes, or when `inputs` change. */
export function useLive<T>(types: readonly string[], read: () => Promise<T>, inputs: readonly unknown[] = []): Looked<T> {
  const [looked, setLooked] = useState<{ value?: T; failure?: Failure }>({})
  const look = useRef<() => void>(() => undefined)
  useEffect(() => {
    let here = true
    const reading = oneAtATime(async () => {
      try {
        const value = await read()
        if (here) setLooked({ value })
      } catch (thrown) {
        if (here) setLooked((before) => ({ value: before.value, failure: asFailure(thrown) }))
      }
    })
    look.current = () => void reading()
    void reading()
    const stop = live.watch(types, look.current)
    return () => {
      here = false
      stop()
    }
  }, inputs)
  return { ...looked, look: () => look.current() }
}
