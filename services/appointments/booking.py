"""A patient gets a place: held, booked, given back (IHE Scheduling, ITI-115 to ITI-117)."""

from datetime import datetime

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.ids import Ids
from record import care, read, write
from record.failures import ResourceDeleted, ResourceUnknown
from record.stored import Stored
from record.visible import Everything, visible_to
from services.appointments import events, fhir, policy, store
from services.appointments.appointment import AppointmentStatus, BookingRequest, Place, Visit, may_become
from services.appointments.failures import (
    AlreadyBooked,
    HoldExpired,
    NotBooked,
    NotHeld,
    NotRealName,
    NotThisPatient,
    PriorRecordUnknown,
    SlotPast,
    SlotTaken,
    SlotUnknown,
    VisitTypeMismatch,
)
from services.appointments.mirroring import show_slot


async def hold(tx: Transaction, slot: str, *, patient: str, by: Principal, ids: Ids, now: datetime) -> Stored:
    """Keep a free place for a patient for some minutes. Raises NotHeld, NotThisPatient, NotRealName."""
    await check_patient(tx, patient, by=by)
    place = await store.hold(tx, slot, now=now)
    if place is None and await release_expired(tx, now=now, slot=slot):
        place = await store.hold(tx, slot, now=now)
    if place is None:
        raise NotHeld
    until = now + policy.HOLD_FOR
    id_ = ids.new()
    await store.put_hold(tx, appointment=id_, slot=slot, patient=patient, account=by.account, expires_at=until)
    body = fhir.appointment(place, status=AppointmentStatus.PENDING, patient=patient, created=now)
    pending = await write.create(tx, fhir.held(body, until=until), id=id_, now=now)
    if place.full:
        await show_slot(tx, slot, status="busy-tentative", now=now)
    return pending


async def book(
    tx: Transaction, request: BookingRequest, *, id: str | None = None, by: Principal, ids: Ids, now: datetime
) -> Stored:
    """Book the place for the patient, or say why not; slot, visit and the fact to tell are written together.

    `id` is the visit's, unless it was held under one before.

    Raises SlotTaken, SlotPast, SlotUnknown, HoldExpired, AlreadyBooked, NotThisPatient, NotRealName,
    PriorRecordUnknown, VisitTypeMismatch.
    """
    await check_patient(tx, request.patient, by=by)
    if request.prior_record:
        await _check_prior_record(tx, request.prior_record, patient=request.patient)
    place = await _taken_hold(tx, request, now=now) if request.hold else await _taken(tx, request.slot or "", now=now)
    visit = request.visit or place.visit
    if visit is not place.visit:
        raise VisitTypeMismatch
    booked = await _enter(tx, request, place, id=request.hold or id or ids.new(), visit=visit, now=now)
    if place.full:
        await show_slot(tx, place.slot, status="busy", now=now)
    await care.entrust(tx, clinic=place.service, patient=request.patient, now=now)
    await events.tell_booked(
        tx, place, appointment=booked.id, patient=request.patient, visit=visit.value, id=ids.new(), now=now
    )
    announce(tx, booked.id, f"Patient/{request.patient}", place.practitioner, place.service)
    return booked


async def standing(tx: Transaction, request: BookingRequest, *, by: Principal) -> Stored | None:
    """The visit this patient has in that slot already, for a client that asks again. Raises NotThisPatient."""
    await check_patient(tx, request.patient, by=by)
    id_ = await store.standing_booking(tx, slot=request.slot or "", patient=request.patient)
    return await read.read(tx, "Appointment", id_, visible=visible_to(by)) if id_ else None


async def cancel(
    tx: Transaction, id: str, *, by: Principal, reason: str | None, expected: int | None, ids: Ids, now: datetime
) -> Stored:
    """Give a booked or held place back. Raises NotBooked, NotThisPatient, ResourceUnknown, VersionStale."""
    current = await read.read(tx, "Appointment", id, visible=visible_to(by))
    body = current.resource
    if not may_become(AppointmentStatus(body["status"]), AppointmentStatus.CANCELLED):
        raise NotBooked
    slot = await store.cancel_booking(tx, id, now=now)
    if slot:
        await store.give_back(tx, slot)
        await show_slot(tx, slot, status="free", now=now)
    elif freed := await _dropped_hold(tx, id, patient=fhir.patient_in(body), now=now):
        await show_slot(tx, freed, status="free", now=now)
    else:
        raise NotBooked
    changed = fhir.with_status(body, AppointmentStatus.CANCELLED, reason=reason)
    cancelled = await write.update(tx, changed, id=id, now=now, expected=expected)
    patient = fhir.patient_in(body)
    await events.tell_cancelled(tx, appointment=id, patient=patient, id=ids.new(), now=now)
    announce(tx, id, f"Patient/{patient}", fhir.practitioner_in(body), fhir.service_in(body))
    return cancelled


async def release_expired(tx: Transaction, *, now: datetime, slot: str | None = None) -> int:
    """Free the places of holds that ran out; their pending visits become cancelled. Returns how many."""
    freed = await store.expire_holds(tx, now=now, slot=slot)
    for slot_id, appointments in freed:
        for id_ in appointments:
            pending = await read.read(tx, "Appointment", id_, visible=Everything())
            ended = fhir.with_status(pending.resource, AppointmentStatus.CANCELLED, reason="hold expired")
            await write.update(tx, ended, id=id_, now=now, expected=pending.version)
            announce(tx, id_, f"Patient/{pending.patient}")
        await show_slot(tx, slot_id, status="free", now=now)
    return len(freed)


async def check_patient(tx: Transaction, patient: str, *, by: Principal) -> None:
    """Whoever books does so for themselves or for a patient in their care, known by identity number (BOOK-01)."""
    if by.role is Role.PATIENT and by.patient != patient:
        raise NotThisPatient
    try:
        person = await read.read(tx, "Patient", patient, visible=visible_to(by))
    except (ResourceUnknown, ResourceDeleted):
        raise NotThisPatient from None
    if not any(i.get("system") == policy.IDENTITY_NUMBER for i in person.resource.get("identifier", [])):
        raise NotRealName(f"{policy.PACK.name} BOOK-01: {policy.PACK['BOOK-01'].source}")


def announce(tx: Transaction, appointment: str, *people: str) -> None:
    """Tell the open pages of these people to look at the visit anew."""
    for person in people:
        if person:
            tx.announce(f"live:{person}", f"Appointment/{appointment}")


async def _taken(tx: Transaction, slot: str, *, now: datetime) -> Place:
    """A free place of the slot, taken. Raises SlotUnknown, SlotPast, SlotTaken."""
    place = await store.take(tx, slot, now=now)
    if place is None and await release_expired(tx, now=now, slot=slot):
        place = await store.take(tx, slot, now=now)
    if place is None:
        found = await store.slot_times(tx, slot)
        if found is None:
            raise SlotUnknown
        starts_at, _ = found
        raise SlotPast if starts_at <= now else SlotTaken
    return place


async def _taken_hold(tx: Transaction, request: BookingRequest, *, now: datetime) -> Place:
    slot = await store.pop_hold(tx, request.hold or "", patient=request.patient, now=now)
    if slot is None:
        raise HoldExpired
    return await store.take_held(tx, slot)


async def _enter(
    tx: Transaction, request: BookingRequest, place: Place, *, id: str, visit: Visit, now: datetime
) -> Stored:
    fresh = await store.put_booking(
        tx, appointment=id, slot=place.slot, patient=request.patient, visit=visit.value, now=now
    )
    if not fresh:
        raise AlreadyBooked
    body = fhir.appointment(
        place,
        status=AppointmentStatus.BOOKED,
        patient=request.patient,
        visit=visit,
        prior_record=request.prior_record,
        comment=request.comment,
        created=now,
    )
    if request.hold:
        return await write.update(tx, body, id=id, now=now, expected=None)
    said = fhir.with_said(body, request.said) if request.said else body
    return await write.create(tx, said, id=id, now=now)


async def _dropped_hold(tx: Transaction, appointment: str, *, patient: str, now: datetime) -> str | None:
    slot = await store.pop_hold(tx, appointment, patient=patient, now=now)
    if slot:
        await store.unhold(tx, slot)
    return slot


async def _check_prior_record(tx: Transaction, reference: str, *, patient: str) -> None:
    type_, _, id_ = reference.partition("/")
    try:
        document = await read.read(tx, "DocumentReference", id_, visible=Everything())
    except (ResourceUnknown, ResourceDeleted):
        raise PriorRecordUnknown from None
    if type_ != "DocumentReference" or document.patient != patient:
        raise PriorRecordUnknown
