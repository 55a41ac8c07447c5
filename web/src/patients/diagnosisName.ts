/** What a diagnosis is called in the reader's language. The record itself says it in Chinese. */

import { signal, type Signal } from '@preact/signals'
import type { CodeableConcept, ValueSetExpansionContains } from 'fhir/r4'
import { codeOf, conceptText, ICD_10 } from '../fhir/read'
import { language } from '../i18n'
import { lookUp } from './diagnosis'

const read = new Map<string, Signal<string>>()

/** `Essential (primary) hypertension (I10)`. */
export function diagnosisName(concept: CodeableConcept | undefined): string {
  const code = codeOf(concept, ICD_10)
  const said = conceptText(concept, 'zh-CN')
  if (!code) return said
  return `${(language.value !== 'zh-CN' && translated(code).value) || said} (${code})`
}

/** The name of a found diagnosis. */
export const foundName = (found: ValueSetExpansionContains): string =>
  found.designation?.find((one) => one.language === language.value)?.value ?? found.display ?? ''

/** Looked up once; whoever shows the name is drawn again when it is there. */
function translated(code: string): Signal<string> {
  const known = read.get(code)
  if (known) return known
  const fresh = signal('')
  read.set(code, fresh)
  lookUp(code).then(
    (found) => {
      const exact = found.find((one) => one.code === code)
      if (exact) fresh.value = foundName(exact)
    },
    () => read.delete(code),
  )
  return fresh
}
