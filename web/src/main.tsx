/** The browser client of the platform: three desks over one FHIR API. */

import { render } from 'preact'
import { App } from './App'
import { followDisplay } from './display'
import { followLanguage } from './i18n'
import { follow } from './page'
import { live, session } from './server'
import './styles/tokens.css'
import './styles/base.css'
import './styles/parts.css'
import './styles/desks.css'

const query = location.search
// The code from signing in is spent at once and must not stay in the address or its history.
if (query) history.replaceState(null, '', `/${location.hash}`)

followLanguage()
followDisplay()
follow()
render(<App />, document.getElementById('app')!)
void session.start(query).then(() => session.state.value === 'signed-in' && live.start())
