import type { Appointment, Bundle, MedicationRequest, Task } from 'fhir/r4'
import { describe, expect, it, vi } from 'vitest'
import { byDay, checkInOpens, isCalled, ticketOf, visitType, who } from '../src/appointments/appointment'
import { freeTimes, PORTION } from '../src/appointments/finding'
import * as paths from '../src/fhir/paths'
import { conceptText, idOf, nameOf, resourcesOf } from '../src/fhir/read'
import { isoDay } from '../src/i18n/format'
import { readPrescription, remaining } from '../src/pharmacy/document'
import { orderState, reasonOf } from '../src/pharmacy/order'

const EXTENSION = 'https://yuzhen.example/fhir/StructureDefinition/'
const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'

const proposed = (id: string, start: string, doctor: string, kind = 'VR'): Appointment => ({
  resourceType: 'Appointment',
  id,
  status: 'proposed',
  start,
  serviceType: [{ text: '心血管内科' }, { coding: [{ system: ACT, code: kind }] }],
  participant: [
    { status: 'accepted', actor: { reference: `Practitioner/${doctor}`, display: `Dr ${doctor}` } },
    { status: 'accepted', actor: { reference: 'HealthcareService/dept-1', display: '心血管内科' } },
  ],
})

describe('paths', () => {
  it('write searches and operations with every value escaped', () => {
    expect(paths.search('Slot', { schedule: 'Schedule/a', start: ['ge1', 'lt2'], status: undefined })).toBe('/fhir/Slot?schedule=Schedule%2Fa&start=ge1&start=lt2')
    expect(paths.operation('Appointment/1', 'check-in')).toBe('/fhir/Appointment/1/$check-in')
    expect(paths.live('https://a.example')).toBe('wss://a.example/live')
  })
})

describe('read', () => {
  it('names people and places in the language of the reader', () => {
    const translation = 'http://hl7.org/fhir/StructureDefinition/translation'
    const english = { extension: [{ url: translation, extension: [{ url: 'lang', valueCode: 'en' }, { url: 'content', valueString: 'Cardiology' }] }] }
    const place = { name: '心血管内科', _name: english }
    const person = { name: [{ text: '何建国', use: 'official' as const }, { text: 'He Jianguo', use: 'usual' as const }] }
    expect([nameOf(place, 'zh-CN'), nameOf(place, 'en')]).toEqual(['心血管内科', 'Cardiology'])
    expect([nameOf(person, 'zh-CN'), nameOf(person, 'en')]).toEqual(['何建国', 'He Jianguo'])
    const concept = { text: '片剂', coding: [{ display: 'tablet' }] }
    expect([conceptText(concept, 'zh-CN'), conceptText(concept, 'en')]).toEqual(['片剂', 'tablet'])
    expect(idOf({ reference: 'Patient/1' })).toBe('1')
  })
})

describe('appointment', () => {
  it('carries its ticket, and is called from the call to the end of the visit', () => {
    const withState = (state: string): Appointment => ({
      ...proposed('1', '2026-03-01T09:00:00+08:00', 'a'),
      extension: [{ url: `${EXTENSION}ticket`, extension: [{ url: 'number', valuePositiveInt: 7 }, { url: 'state', valueCode: state }] }],
    })
    expect(ticketOf(withState('waiting'))).toEqual({ number: 7, state: 'waiting' })
    expect(['waiting', 'called', 'in-visit', 'done', 'missed'].map((state) => isCalled(withState(state)))).toEqual([false, true, true, false, false])
  })

  it('opens for check-in half an hour before its start', () => {
    expect(checkInOpens(proposed('1', '2026-03-01T09:00:00+08:00', 'a')).toISOString()).toBe('2026-03-01T00:30:00.000Z')
  })

  it('is by video or in the hospital, or open to both', () => {
    const both = proposed('1', '', 'a')
    both.serviceType!.push({ coding: [{ code: 'AMB' }] })
    expect([visitType(proposed('1', '', 'a')), visitType(proposed('1', '', 'a', 'AMB')), visitType(both)]).toEqual(['VR', 'AMB', undefined])
    expect(who(proposed('1', '', 'a'), (one) => one?.display)).toMatchObject({ doctor: 'Dr a', service: '心血管内科', location: undefined })
  })

  it('is listed by day on the wall clock of Chongqing, then by doctor, in order of time', () => {
    const times = [
      proposed('late', '2026-03-01T16:30:00Z', 'a'),
      proposed('two', '2026-03-01T02:00:00Z', 'b'),
      proposed('one', '2026-03-01T01:00:00Z', 'b'),
      proposed('three', '2026-03-01T01:30:00Z', 'a'),
    ]
    const shown = byDay(times, isoDay).map((one) => [one.day, one.doctors.map((two) => two.map((three) => three.id))])
    expect(shown).toEqual([
      ['2026-03-01', [['one', 'two'], ['three']]],
      ['2026-03-02', [['late']]],
    ])
  })
})

describe('freeTimes', () => {
  const now = new Date('2026-03-01T00:00:00Z')
  const at = (minutes: number): string => new Date(now.getTime() + minutes * 60_000).toISOString()
  const portion = (from: number): Appointment[] =>
    Array.from({ length: PORTION }, (_, index) => proposed(`slot-${from + index}`, at(from + index), 'a'))

  it('begins each portion where the last one ended, and shows no time twice', async () => {
    const find = vi.fn().mockResolvedValueOnce(portion(0)).mockResolvedValueOnce(portion(PORTION - 1))
    const found = await freeTimes(find, now, 2)
    expect([found.times.length, found.more]).toEqual([2 * PORTION - 1, true])
    expect(find.mock.calls.map((call) => (call[0] as Date).toISOString())).toEqual([at(0), at(PORTION - 1)])
    expect(find.mock.calls.every((call) => (call[1] as Date).toISOString() === at(14 * 24 * 60))).toBe(true)
  })

  it('knows when nothing more can come', async () => {
    const find = vi.fn().mockResolvedValueOnce(portion(0).slice(-3))
    const found = await freeTimes(find, now, 2)
    expect([found.times.length, found.more, find.mock.calls.length]).toEqual([3, false, 1])
  })

  it('moves on even when every answer is the same', async () => {
    const find = vi.fn(async (_start: Date, _end: Date) => portion(0))
    await freeTimes(find, now, 3)
    expect(find.mock.calls.map((call) => call[0].toISOString())).toEqual([at(0), at(PORTION - 1), at(PORTION)])
  })
})

describe('prescription', () => {
  const line: MedicationRequest = {
    resourceType: 'MedicationRequest',
    id: 'm1',
    status: 'active',
    intent: 'order',
    subject: { reference: 'Patient/p1' },
    medicationReference: { reference: 'Medication/med-1', display: '氨氯地平' },
    dosageInstruction: [{ text: '每次5mg', timing: { repeat: { frequency: 1 } }, doseAndRate: [{ doseQuantity: { value: 5, code: 'mg' } }] }],
    dispenseRequest: { quantity: { value: 14, code: '{tablet}' }, expectedSupplyDuration: { value: 14 } },
    note: [{ text: '慢性病' }],
  }
  const document: Bundle = {
    resourceType: 'Bundle',
    type: 'document',
    entry: [
      { resource: { resourceType: 'Patient', id: 'p1', name: [{ text: '何建国' }] } },
      { resource: { resourceType: 'Condition', subject: {}, code: { text: '高血压', coding: [{ code: 'I10' }] } } },
      { resource: line },
      { resource: { resourceType: 'Medication', id: 'med-1', code: { text: '苯磺酸氨氯地平片' }, form: { text: '片剂' } } },
    ],
  }

  it('is read from the signed document, whole', () => {
    const read = readPrescription(document, 'zh-CN')
    expect(read).toMatchObject({ patientName: '何建国', diagnoses: [{ text: '高血压' }] })
    expect(read.lines).toMatchObject([{ medicine: '苯磺酸氨氯地平片', form: '片剂', dose: '5 mg', days: 14, quantity: '14 片', reason: '慢性病' }])
  })

  it('falls back to what the line itself says', () => {
    const bare = { ...document, entry: [{ resource: line }] }
    expect(readPrescription(bare, 'zh-CN')).toMatchObject({ patientName: 'p1', lines: [{ medicine: '氨氯地平' }] })
  })

  it('has left what was ordered less what was handed out', () => {
    const [read] = readPrescription(document, 'zh-CN').lines
    const given = (value: number, status: 'completed' | 'cancelled', of = 'm1') => ({
      resourceType: 'MedicationDispense' as const,
      status,
      authorizingPrescription: [{ reference: `MedicationRequest/${of}` }],
      quantity: { value },
    })
    expect(remaining(read!, [given(10, 'completed'), given(4, 'cancelled'), given(4, 'completed', 'other')])).toBe(4)
  })

  it('stands where its business status says, else where its status says', () => {
    const task: Task = { resourceType: 'Task', status: 'in-progress', intent: 'order', statusReason: { text: '剂量' } }
    expect(orderState(task)).toBe('claimed')
    expect(orderState({ ...task, businessStatus: { coding: [{ code: 'dispensed' }] } })).toBe('dispensed')
    expect(reasonOf(task)).toBe('剂量')
    expect(resourcesOf(document, 'MedicationRequest')).toEqual([line])
  })
})
