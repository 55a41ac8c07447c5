/** The page before signing in. */

import { t } from '../i18n'
import { Button } from '../parts/Button'
import { Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { session } from '../server'

export function Welcome() {
  return (
    <Page title={t('welcome.title')}>
      <p class="lead">{t('welcome.lead')}</p>
      <ul class="plain-list">
        <li>{t('welcome.book')}</li>
        <li>{t('welcome.visit')}</li>
        <li>{t('welcome.medicine')}</li>
      </ul>
      <Refusal failure={session.failure.value} />
      {/* Cameras, signatures and sign-in proofs exist on secure pages only. */}
      {isSecureContext
        ? <Button look="primary" testid="sign-in" onClick={() => void session.signIn()}>{t('sign-in')}</Button>
        : <Notice tone="bad">{t('welcome.insecure')}</Notice>}
      <p class="hint">{t('welcome.emergency')}</p>
    </Page>
  )
}
