/** What people, departments and places are called, where a reference does not say it in the reader's language. */

import { signal, type Signal } from '@preact/signals'
import type { Organization, Patient, Practitioner, Reference } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { idOf, nameOf } from '../fhir/read'
import { language } from '../i18n'
import { server } from '../server'

type Named = Patient | Practitioner | Organization

const NAMED = /^(Patient|Practitioner|HealthcareService|Location|Organization)\//

const read = new Map<string, Signal<Named | null>>()

/** The name behind a reference: what the reference itself says in Chinese, else what the resource says. */
export function nameFor(reference: Reference | undefined): string {
  const said = reference?.display ?? idOf(reference)
  const address = reference?.reference ?? ''
  if (language.value === 'zh-CN' && reference?.display) return said
  if (!NAMED.test(address)) return said
  return nameOf(known(address).value ?? undefined, language.value) || said
}

/** Read once; whoever shows the name is drawn again when it is there. */
function known(address: string): Signal<Named | null> {
  const found = read.get(address)
  if (found) return found
  const fresh = signal<Named | null>(null)
  read.set(address, fresh)
  server.read<Named>(paths.resource(address)).then(
    (one) => (fresh.value = one),
    () => read.delete(address),
  )
  return fresh
}
