/** A whole prescription on one sheet: patient, diagnosis, lines, doctor. */

import type { AllergyIntolerance, Bundle } from 'fhir/r4'
import { conceptText } from '../fhir/read'
import { language, t } from '../i18n'
import { age, date } from '../i18n/format'
import { diagnosisName } from '../patients/diagnosisName'
import { readPrescription } from './document'
import { Lines } from './Lines'

interface Props {
  document: Bundle
  /** Shown where they were asked for: an empty list is said as well. */
  allergies?: AllergyIntolerance[]
}

export function PrescriptionPaper({ document, allergies }: Props) {
  const rx = readPrescription(document, language.value)
  const gender = rx.patient?.gender && t(`gender.${rx.patient.gender}`)
  const years = rx.patient?.birthDate && t('paper.age', { years: age(rx.patient.birthDate, new Date()) })
  return (
    <div class="paper" data-testid="prescription">
      <h3>{rx.hospital} {t('paper.title')}</h3>
      <dl class="facts">
        <div><dt>{t('paper.patient')}</dt><dd><strong data-testid="rx-patient">{rx.patientName}</strong> {[gender, years].filter(Boolean).join(' · ')}</dd></div>
        <div><dt>{t('paper.diagnosis')}</dt><dd data-testid="rx-diagnosis">{rx.diagnoses.map(diagnosisName).join('; ')}</dd></div>
        {allergies && (
          <div><dt>{t('paper.allergies')}</dt><dd data-testid="rx-allergies"><strong>{named(allergies)}</strong></dd></div>
        )}
        <div><dt>{t('paper.doctor')}</dt><dd>{rx.doctor}</dd></div>
        {rx.authoredOn && <div><dt>{t('paper.date')}</dt><dd>{date(rx.authoredOn)}</dd></div>}
      </dl>
      <Lines lines={rx.lines} />
    </div>
  )
}

const named = (allergies: AllergyIntolerance[]): string =>
  allergies.map((one) => conceptText(one.code, language.value)).join('; ') || t('paper.no-allergies')
