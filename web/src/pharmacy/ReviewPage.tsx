/** The pharmacist reads a whole prescription and approves it or sends it back; nothing may be changed (RX-11). */

import { useState } from 'preact/hooks'
import { t } from '../i18n'
import { go } from '../page'
import { Button } from '../parts/Button'
import { ErrorSummary, Field, onSubmit, type Errors } from '../parts/Form'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { allergiesOf } from '../patients/allergies'
import { orderState } from './order'
import { OrderBadge } from './OrderBadge'
import { PrescriptionPaper } from './PrescriptionPaper'
import { order, review, signedDocument } from './task'

export function ReviewPage({ task }: { task: string }) {
  const seen = useLive(['Task', 'AllergyIntolerance'], () => readAll(task), [task])
  return (
    <Page title={t('review.one')}>
      <p><a href="#/review">{t('review.back')}</a></p>
      <Refusal failure={seen.failure} again={seen.look} />
      {!seen.value && !seen.failure && <Loading />}
      {seen.value && (
        <>
          <OrderBadge task={seen.value.task} />
          <PrescriptionPaper document={seen.value.document} allergies={seen.value.allergies} />
          {orderState(seen.value.task) === 'submitted'
            ? <Decision task={task} />
            : <Notice role="status" testid="reviewed">{t('review.done')}</Notice>}
        </>
      )}
    </Page>
  )
}

async function readAll(id: string) {
  const [task, document] = await Promise.all([order(id), signedDocument(id)])
  return { task, document, allergies: await allergiesOf(task.for?.reference ?? '') }
}

function Decision({ task }: { task: string }) {
  const [reason, setReason] = useState('')
  const [errors, setErrors] = useState<Errors>({})
  const deciding = useCommand()
  async function decide(decision: 'approve' | 'return'): Promise<void> {
    const missing: Errors = decision === 'return' && !reason.trim() ? { reason: t('review.reason-missing') } : {}
    setErrors(missing)
    if (Object.keys(missing).length) return
    if (await deciding.run(() => review(task, decision, reason.trim()))) go('review')
  }
  return (
    <form class="panel" noValidate onSubmit={onSubmit(() => decide('return'))}>
      <ErrorSummary errors={errors} />
      <Button look="primary" busy={deciding.busy} testid="approve" onClick={() => void decide('approve')}>{t('review.approve')}</Button>
      <Field id="reason" label={t('review.reason')} hint={t('review.reason-hint')} error={errors.reason}>
        {(described) => (
          <textarea {...described} rows={3} maxLength={500} value={reason} data-testid="return-reason"
            onInput={(event) => setReason(event.currentTarget.value)} />
        )}
      </Field>
      <Refusal failure={deciding.failure} />
      <Button type="submit" look="danger" busy={deciding.busy} testid="return">{t('review.return')}</Button>
    </form>
  )
}
