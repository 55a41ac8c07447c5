/** The present moment, as often as a page needs it. */

import { useEffect, useState } from 'preact/hooks'

export function useNow(everyMilliseconds: number): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), everyMilliseconds)
    return () => clearInterval(timer)
  }, [everyMilliseconds])
  return now
}
