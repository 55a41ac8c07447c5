/** The doctor reads the earlier record and judges whether this is a follow-up (TELE-01). */

import type { DocumentReference, Encounter } from 'fhir/r4'
import { t } from '../i18n'
import { Button } from '../parts/Button'
import { Badge, Notice, Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { diagnosisName } from '../patients/diagnosisName'
import { diagnosisOf, plainText } from '../patients/documents'
import { confirmFollowUp } from './encounter'

interface Props {
  prior?: DocumentReference
  encounter: Encounter
  judgement?: boolean
  open: boolean
  again: () => void
}

export function FollowUpStep({ prior, encounter, judgement, open, again }: Props) {
  const judging = useCommand()
  const judge = (yes: boolean) => void judging.run(() => confirmFollowUp(encounter.id!, yes)).then(again)
  return (
    <section class="panel step" aria-labelledby="step-follow-up">
      <h2 id="step-follow-up">{t('followup.title')}</h2>
      {prior ? <PriorRecord record={prior} /> : <Notice tone="warn">{t('followup.no-record')}</Notice>}
      <Refusal failure={judging.failure} />
      {judgement !== undefined && (
        <Badge tone={judgement ? 'good' : 'bad'} testid="follow-up-judgement">{t(judgement ? 'followup.is' : 'followup.is-not')}</Badge>
      )}
      {judgement === undefined && open && prior && (
        <div class="actions">
          <Button look="primary" busy={judging.busy} testid="follow-up-yes" onClick={() => judge(true)}>{t('followup.yes')}</Button>
          <Button busy={judging.busy} testid="follow-up-no" onClick={() => judge(false)}>{t('followup.no')}</Button>
        </div>
      )}
      {judgement === false && <Notice tone="warn">{t('followup.refer')}</Notice>}
    </section>
  )
}

function PriorRecord({ record }: { record: DocumentReference }) {
  const words = plainText(record)
  return (
    <div data-testid="prior-document">
      <p><strong>{diagnosisName(diagnosisOf(record))}</strong></p>
      {words && <pre class="paper" lang={record.content[0]?.attachment.language ?? 'zh-CN'} tabIndex={0}>{words}</pre>}
    </div>
  )
}
