/** A button's work: busy while it runs, its failure when it is refused. */

import { useState } from 'preact/hooks'
import { asFailure, type Failure } from '../fhir/failure'

export interface Command {
  run: (work: () => Promise<unknown>) => Promise<boolean>
  busy: boolean
  failure: Failure | null
  clear: () => void
}

export function useCommand(): Command {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)
  async function run(work: () => Promise<unknown>): Promise<boolean> {
    setBusy(true)
    setFailure(null)
    try {
      await work()
      return true
    } catch (thrown) {
      setFailure(asFailure(thrown))
      return false
    } finally {
      setBusy(false)
    }
  }
  return { run, busy, failure, clear: () => setFailure(null) }
}
