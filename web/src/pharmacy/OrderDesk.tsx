/** The pharmacy's counter: take the order with the patient's code, hand out, close. */

import type { Bundle, Task } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { ErrorSummary, Field, onSubmit, type Errors } from '../parts/Form'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { DispenseForm } from './DispenseForm'
import { readPrescription, remaining } from './document'
import { orderState } from './order'
import { OrderBadge } from './OrderBadge'
import { PrescriptionPaper } from './PrescriptionPaper'
import { claim, close, dispensedOf, order, signedDocument } from './task'

export function OrderDesk({ task }: { task: string }) {
  const seen = useLive(['Task', 'MedicationDispense'], async () => ({ task: await order(task), document: await signedDocument(task) }), [task])
  const [secret, setSecret] = useState('')
  return (
    <Page title={t('desk.one')}>
      <p><a href="#/desk">{t('desk.back')}</a></p>
      <Refusal failure={seen.failure} again={seen.look} />
      {!seen.value && !seen.failure && <Loading />}
      {seen.value && (
        <>
          <OrderBadge task={seen.value.task} />
          <PrescriptionPaper document={seen.value.document} />
          <Counter {...seen.value} secret={secret} onSecret={setSecret} again={seen.look} />
        </>
      )}
    </Page>
  )
}

interface CounterProps {
  task: Task
  document: Bundle
  secret: string
  onSecret: (secret: string) => void
  again: () => void
}

function Counter({ task, document, secret, onSecret, again }: CounterProps) {
  if (orderState(task) === 'closed') return <Notice tone="good" role="status" testid="closed">{t('desk.closed')}</Notice>
  if (!secret) return <ClaimForm task={task.id!} onDone={(given) => { onSecret(given); again() }} />
  return <HandOut task={task} document={document} secret={secret} again={again} />
}

/** Asks for the code; the same pharmacy asking again gets its secret back. */
function ClaimForm({ task, onDone }: { task: string; onDone: (secret: string) => void }) {
  const [code, setCode] = useState('')
  const [errors, setErrors] = useState<Errors>({})
  const claiming = useCommand()
  async function take(): Promise<void> {
    setErrors(code.trim() ? {} : { code: t('desk.code-missing') })
    if (code.trim()) await claiming.run(async () => onDone(await claim(task, code.trim())))
  }
  return (
    <form class="panel" noValidate onSubmit={onSubmit(take)}>
      <ErrorSummary errors={errors} />
      <Field id="code" label={t('desk.code')} hint={t('desk.code-hint')} error={errors.code}>
        {(described) => (
          <input {...described} value={code} autoComplete="off" autoCapitalize="off" spellcheck={false} data-testid="claim-code"
            onInput={(event) => setCode(event.currentTarget.value)} />
        )}
      </Field>
      <Refusal failure={claiming.failure} />
      <Button type="submit" look="primary" busy={claiming.busy} testid="claim">{t('desk.claim')}</Button>
    </form>
  )
}

function HandOut({ task, document, secret, again }: Omit<CounterProps, 'onSecret'>) {
  const { lines } = readPrescription(document, language.value)
  const given = useLive(['MedicationDispense', 'Task'], () => dispensedOf(lines.map((one) => one.id)), [task.id])
  const closing = useCommand()
  const open = given.value && lines.filter((one) => remaining(one, given.value!) > 0)
  const looked = () => { given.look(); again() }
  return (
    <>
      <Refusal failure={given.failure ?? closing.failure} />
      {open && open.length > 0 && (
        <DispenseForm key={open.length} task={task.id!} secret={secret} lines={open} given={given.value!} again={looked} />
      )}
      {open?.length === 0 && (
        <Notice tone="good" role="status" testid="all-dispensed">
          <p>{t('desk.all-out')}</p>
          <Button look="primary" busy={closing.busy} testid="close-order" onClick={() => void closing.run(() => close(task.id!, secret)).then(looked)}>{t('desk.close')}</Button>
        </Notice>
      )}
    </>
  )
}
