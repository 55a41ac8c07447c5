/** The top of every page: where am I, who am I, and how the page is read. */

import { useState } from 'preact/hooks'
import { size, toggleElder } from '../display'
import { language, t, type Key } from '../i18n'
import { link, page } from '../page'
import { session } from '../server'
import { DisplayDialog } from './DisplayDialog'

const PAGES: Record<string, [name: string, words: Key][]> = {
  patient: [['find', 'nav.find'], ['visits', 'nav.visits'], ['prescriptions', 'nav.prescriptions']],
  practitioner: [['queue', 'nav.queue']],
  pharmacist: [['review', 'nav.review'], ['desk', 'nav.desk']],
}

/** Pages that belong to another one in the menu. */
const UNDER: Record<string, Record<string, string>> = {
  patient: { book: 'find', room: 'visits' },
  practitioner: { room: 'queue' },
}

export function Top() {
  const [displaying, setDisplaying] = useState(false)
  const me = session.me.value
  const other = language.value === 'en' ? 'zh-CN' : 'en'
  return (
    <header class="top">
      <div class="top-line">
        <a class="brand" href="#/"><img src="/mark.svg" alt="" width="32" height="32" /><span>{t('brand')}</span></a>
        <div class="top-actions">
          <button type="button" class="button-quiet" aria-pressed={size.value !== 'standard'} onClick={toggleElder} data-testid="elder">
            {t('elder')}
          </button>
          <button type="button" class="button-quiet" lang={other} onClick={() => (language.value = other)} data-testid="language">
            {other === 'en' ? 'English' : '中文'}
          </button>
          <button type="button" class="button-quiet" onClick={() => setDisplaying(true)} data-testid="display">{t('display')}</button>
        </div>
      </div>
      {me && <Menu role={me.role} display={me.display} />}
      {displaying && <DisplayDialog onClose={() => setDisplaying(false)} />}
    </header>
  )
}

function Menu({ role, display }: { role: string; display: string }) {
  const pages = PAGES[role] ?? []
  const name = page.value[0] ?? pages[0]?.[0] ?? ''
  const here = UNDER[role]?.[name] ?? name
  return (
    <nav class="menu" aria-label={t('nav')}>
      {pages.map(([name, words]) => (
        <a key={name} href={link(name)} aria-current={name === here ? 'page' : undefined} data-testid={`nav-${name}`}>{t(words)}</a>
      ))}
      <span class="me">
        <span data-testid="me">{display}</span>
        <button type="button" class="button-quiet" onClick={() => void session.signOut()} data-testid="sign-out">{t('sign-out')}</button>
      </span>
    </nav>
  )
}
