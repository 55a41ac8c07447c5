/** The frame around every page, and which page belongs to whom. */

import { Called } from './appointments/Called'
import { Book } from './appointments/Book'
import { Find } from './appointments/Find'
import { Queue } from './appointments/Queue'
import { Visits } from './appointments/Visits'
import { RoomPage } from './consult/RoomPage'
import { Welcome } from './identity/Welcome'
import { t } from './i18n'
import { page } from './page'
import { Loading, Notice } from './parts/Notice'
import { Top } from './parts/Top'
import { MyOrders } from './pharmacy/MyOrders'
import { OrderDesk } from './pharmacy/OrderDesk'
import { OrderList } from './pharmacy/OrderList'
import { ReviewPage } from './pharmacy/ReviewPage'
import { session } from './server'

export function App() {
  const me = session.me.value
  return (
    <>
      <button type="button" class="skip" onClick={() => document.querySelector('main')?.focus()}>{t('skip')}</button>
      <Top />
      {me?.role === 'patient' && <Called patient={me.fhirUser} />}
      <main tabIndex={-1}>{me ? <Desk /> : <Outside />}</main>
    </>
  )
}

function Outside() {
  return session.state.value === 'starting' ? <Loading /> : <Welcome />
}

function Desk() {
  const me = session.me.value!
  switch (me.role) {
    case 'patient':
      return <PatientDesk patient={me.fhirUser} />
    case 'practitioner':
      return <DoctorDesk doctor={me.fhirUser} />
    case 'pharmacist':
      return <PharmacistDesk organization={me.organization ?? ''} />
    default:
      return <div class="page"><Notice>{t('role.none')}</Notice></div>
  }
}

function PatientDesk({ patient }: { patient: string }) {
  const [name, id = ''] = page.value
  if (name === 'book') return <Book key={id} id={id} patient={patient} />
  if (name === 'room') return <RoomPage key={id} appointment={id} />
  if (name === 'visits') return <Visits patient={patient} />
  if (name === 'prescriptions') return <MyOrders patient={patient} />
  return <Find patient={patient} />
}

function DoctorDesk({ doctor }: { doctor: string }) {
  const [name, id = ''] = page.value
  return name === 'room' ? <RoomPage key={id} appointment={id} /> : <Queue doctor={doctor} />
}

function PharmacistDesk({ organization }: { organization: string }) {
  const [name, id] = page.value
  if (name === 'desk' && id) return <OrderDesk key={id} task={id} />
  if (name === 'desk') return <OrderList key="desk" kind="desk" organization={organization} />
  if (name === 'review' && id) return <ReviewPage key={id} task={id} />
  return <OrderList key="review" kind="review" organization={organization} />
}
