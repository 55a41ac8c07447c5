/** The doctor sees what is signed, and signs exactly that. */

import type { Bundle } from 'fhir/r4'
import { useEffect, useState } from 'preact/hooks'
import { text } from '../bytes'
import { forget, kept, enrol } from '../identity/signingKey'
import { t } from '../i18n'
import { Button } from '../parts/Button'
import { Dialog } from '../parts/Dialog'
import { Field, onSubmit } from '../parts/Form'
import { Loading, Refusal } from '../parts/Notice'
import { useCommand, type Command } from '../parts/useCommand'
import { session } from '../server'
import { PrescriptionPaper } from './PrescriptionPaper'
import { prepare, sign, type Prepared } from './prescription'
import { signDetached, type Signer } from './signature'

const KEY_REFUSED = /key-(revoked|not-enrolled|unknown)|foreign-key/

export function SignDialog({ group, onClose }: { group: string; onClose: () => void }) {
  const login = session.me.value!.login
  const [prepared, setPrepared] = useState<Prepared | null>(null)
  const [signer, setSigner] = useState<Signer | null>(null)
  const preparing = useCommand()
  const signing = useCommand()
  useEffect(() => {
    void preparing.run(async () => {
      setSigner((await kept(login)) ?? null)
      setPrepared(await prepare(group))
    })
  }, [group])
  async function seal(): Promise<void> {
    const done = await signing.run(async () => {
      const jws = await signDetached(prepared!.bytes, signer!, Math.floor(Date.now() / 1000))
      await sign(group, jws)
    })
    if (done) onClose()
  }
  // A key revoked elsewhere is of no use any more: a new one is enrolled in its place.
  const keyRefused = signing.failure && KEY_REFUSED.test(signing.failure.code)
  const renew = () => void forget(login).then(() => setSigner(null))
  return (
    <Dialog title={t('sign.title')} onClose={onClose} testid="sign-dialog">
      <Refusal failure={preparing.failure} />
      {!prepared && !preparing.failure && <Loading />}
      {prepared && <Shown prepared={prepared} />}
      {prepared && !signer && <EnrolForm login={login} onDone={setSigner} />}
      <Refusal failure={signing.failure} />
      <div class="actions">
        {keyRefused && <Button onClick={renew}>{t('sign.new-key')}</Button>}
        {prepared && signer && <Button look="primary" busy={signing.busy} testid="confirm-sign" onClick={() => void seal()}>{t('sign.sign')}</Button>}
        <Button onClick={onClose}>{t('sign.back')}</Button>
      </div>
    </Dialog>
  )
}

/** The very bytes to be signed, read out as a prescription. */
function Shown({ prepared }: { prepared: Prepared }) {
  return (
    <>
      <p class="hint">{t('sign.read')}</p>
      <PrescriptionPaper document={JSON.parse(text(prepared.bytes)) as Bundle} />
      <p class="hint digest">{t('sign.digest')} <code data-testid="digest">{prepared.digest}</code></p>
    </>
  )
}

function EnrolForm({ login, onDone }: { login: string; onDone: (signer: Signer) => void }) {
  const [password, setPassword] = useState('')
  const enrolling: Command = useCommand()
  const run = () => enrolling.run(async () => onDone(await enrol(login, password)))
  return (
    <form class="panel" onSubmit={onSubmit(run)}>
      <p>{t('sign.first')}</p>
      <input class="hidden" type="text" autoComplete="username" value={login} readOnly tabIndex={-1} aria-hidden="true" />
      <Field id="password" label={t('sign.password')} hint={t('sign.password-hint')}>
        {(described) => (
          <input {...described} type="password" required autoComplete="current-password" value={password} data-testid="signing-password"
            onInput={(event) => setPassword(event.currentTarget.value)} />
        )}
      </Field>
      <Refusal failure={enrolling.failure} />
      <Button type="submit" look="primary" busy={enrolling.busy} testid="enrol-key">{t('sign.enrol')}</Button>
    </form>
  )
}
