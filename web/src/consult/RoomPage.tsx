/** The consultation room: the visit is found, then both may enter. */

import type { Appointment, Encounter } from 'fhir/r4'
import { useEffect, useMemo } from 'preact/hooks'
import { appointment as readAppointment } from '../appointments/booking'
import { who } from '../appointments/appointment'
import { nameFor } from '../appointments/names'
import { t } from '../i18n'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useLive } from '../parts/useLive'
import { server, session } from '../server'
import { Call } from './call'
import { CallStage } from './CallStage'
import { Chat } from './Chat'
import { encounterOf } from './encounter'
import { cameraAndMicrophone } from './media'
import { roomOf } from './protocol'
import { RecordPanel } from './RecordPanel'

interface Visit {
  appointment: Appointment
  encounter?: Encounter
}

export function RoomPage({ appointment }: { appointment: string }) {
  const visit = useLive(['Appointment', 'Encounter'], async (): Promise<Visit> => ({
    appointment: await readAppointment(appointment),
    encounter: await encounterOf(appointment),
  }), [appointment])
  const encounter = visit.value?.encounter
  useSoonAgain(!encounter, visit.look)
  return (
    <Page title={t('room.title')} wide>
      <Refusal failure={visit.failure} again={visit.look} />
      {!visit.value && !visit.failure && <Loading />}
      {visit.value && !encounter && <Notice role="status">{t('room.not-yet')}</Notice>}
      {visit.value && encounter && <Room key={encounter.id} visit={visit.value} encounter={encounter} again={visit.look} />}
    </Page>
  )
}

function Room({ visit, encounter, again }: { visit: Visit; encounter: Encounter; again: () => void }) {
  const me = session.me.value!
  const isDoctor = me.role === 'practitioner'
  const over = ['finished', 'cancelled', 'entered-in-error'].includes(encounter.status)
  const call = useCall(encounter.id!, over)
  const { doctor, patient, service } = who(visit.appointment, nameFor)
  const other = isDoctor ? patient : doctor
  return (
    <>
      <p class="lead"><strong>{other}</strong> <span class="hint">{service}</span></p>
      <div class={isDoctor ? 'room room-doctor' : 'room'}>
        <div class="room-talk">
          {over ? <Over isDoctor={isDoctor} /> : <CallStage call={call} other={other} />}
          <Chat encounter={encounter} me={me.fhirUser} other={other} closed={over} />
        </div>
        {isDoctor && <RecordPanel appointment={visit.appointment} encounter={encounter} doctor={me.fhirUser} again={again} />}
      </div>
    </>
  )
}

function Over({ isDoctor }: { isDoctor: boolean }) {
  return (
    <Notice tone="good" role="status" testid="visit-over">
      <p>{t('room.over')}</p>
      {isDoctor
        ? <a href="#/queue" data-testid="back-to-queue">{t('room.back-to-queue')}</a>
        : <a href="#/prescriptions" data-testid="to-prescriptions">{t('room.to-prescriptions')}</a>}
    </Notice>
  )
}

/** One call for as long as the page stands; it is left with the page, or when the visit ends. */
function useCall(encounter: string, over: boolean): Call {
  const call = useMemo(() => new Call({
    protocol: roomOf(encounter, server),
    newPeer: () => new RTCPeerConnection({ bundlePolicy: 'max-bundle' }),
    media: cameraAndMicrophone,
    wait: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
  }), [encounter])
  useEffect(() => {
    const leave = () => void call.leave()
    if (over) leave()
    else void call.prepare()
    addEventListener('pagehide', leave)
    return () => {
      removeEventListener('pagehide', leave)
      leave()
    }
  }, [call, over])
  useOneWindow(call, encounter)
  return call
}

/** A person is in the room once: who enters in a second window leaves the first, or both would fight for the place. */
function useOneWindow(call: Call, encounter: string): void {
  const joined = call.state.value === 'connecting'
  useEffect(() => {
    const others = new BroadcastChannel(`room-${encounter}`)
    if (joined) others.postMessage('entered')
    others.onmessage = () => void call.leave({ keepPlace: true })
    return () => others.close()
  }, [call, encounter, joined])
}

/** The visit is made a moment after the call: ask again each second until it is there. */
function useSoonAgain(missing: boolean, look: () => void): void {
  useEffect(() => {
    if (!missing) return
    const timer = setInterval(look, 1000)
    return () => clearInterval(timer)
  }, [missing])
}
