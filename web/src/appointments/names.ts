/** What doctors, departments and places are called in languages other than the record's own. */

import { signal, type Signal } from '@preact/signals'
import type { Organization, Practitioner, Reference } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { idOf, nameOf } from '../fhir/read'
import { language } from '../i18n'
import { server } from '../server'

type Directory = Practitioner | Organization

const DIRECTORY = /^(Practitioner|HealthcareService|Location|Organization)\//

const read = new Map<string, Signal<Directory | null>>()

/** The name behind a reference: what the reference says in Chinese, what the directory says otherwise. */
export function nameFor(reference: Reference | undefined): string {
  const said = reference?.display ?? idOf(reference)
  const address = reference?.reference ?? ''
  if (language.value === 'zh-CN' && reference?.display) return said
  if (!DIRECTORY.test(address)) return said
  return nameOf(known(address).value ?? undefined, language.value) || said
}

/** Read once; whoever shows the name is drawn again when it is there. */
function known(address: string): Signal<Directory | null> {
  const found = read.get(address)
  if (found) return found
  const fresh = signal<Directory | null>(null)
  read.set(address, fresh)
  server.read<Directory>(paths.resource(address)).then(
    (one) => (fresh.value = one),
    () => read.delete(address),
  )
  return fresh
}
