"""One visit as its two people see it: who they are, its next step, and the word to look at it anew."""

from datetime import datetime

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.ids import Ids
from record import read, write
from record.stored import Stored
from record.visible import visible_to
from services.consult import events, fhir, store
from services.consult.encounter import EncounterStatus, Side, Visit, may_become
from services.consult.failures import NotInProgress, NotInThisVisit, OnlyItsDoctor, StartsByJoining


async def seen(tx: Transaction, id: str, *, by: Principal) -> tuple[Stored, Side]:
    """An encounter and on which side of it the caller stands. Raises ResourceUnknown, NotInThisVisit."""
    encounter = await read.read(tx, "Encounter", id, visible=visible_to(by))
    body = encounter.resource
    if by.role is Role.PATIENT and fhir.patient_in(body) == f"Patient/{by.patient}":
        return encounter, Side.PATIENT
    if by.role is Role.PRACTITIONER and fhir.practitioner_in(body) == by.fhir_user:
        return encounter, Side.PRACTITIONER
    raise NotInThisVisit


async def held(tx: Transaction, id: str, *, by: Principal) -> Stored:
    """An encounter for its doctor alone, kept from other changes. Raises ResourceUnknown, OnlyItsDoctor."""
    await store.lock_visit(tx, id)
    try:
        encounter, side = await seen(tx, id, by=by)
    except NotInThisVisit:
        raise OnlyItsDoctor from None
    if side is not Side.PRACTITIONER:
        raise OnlyItsDoctor
    return encounter


async def start(tx: Transaction, id: str, *, by: Principal, ids: Ids, now: datetime) -> Stored:
    """The doctor begins a visit in the clinic; begun twice, nothing changes. Raises StartsByJoining, NotInProgress."""
    encounter = await held(tx, id, by=by)
    if fhir.visit_in(encounter.resource) is Visit.VIDEO:
        raise StartsByJoining
    return await begin(tx, encounter, ids=ids, now=now)


async def begin(tx: Transaction, encounter: Stored, *, ids: Ids, now: datetime) -> Stored:
    """The visit is under way from now on, if it is not already. Raises NotInProgress."""
    if fhir.status_in(encounter.resource) is EncounterStatus.IN_PROGRESS:
        return encounter
    begun = await _move(tx, encounter, EncounterStatus.IN_PROGRESS, now=now)
    appointment = fhir.appointment_in(begun.resource)
    await events.tell_started(tx, appointment=appointment, encounter=begun.id, id=ids.new(), now=now)
    return begun


async def finish(tx: Transaction, id: str, *, by: Principal, ids: Ids, now: datetime) -> Stored:
    """The doctor ends the visit; ended twice, it changes nothing. Raises NotInProgress, OnlyItsDoctor."""
    encounter = await held(tx, id, by=by)
    if fhir.status_in(encounter.resource) is EncounterStatus.FINISHED:
        return encounter
    ended = await _move(tx, encounter, EncounterStatus.FINISHED, now=now)
    appointment = fhir.appointment_in(ended.resource)
    await events.tell_finished(tx, appointment=appointment, encounter=id, id=ids.new(), now=now)
    return ended


async def cancel(tx: Transaction, encounter: Stored, *, now: datetime) -> None:
    """A visit that has not begun will not take place; one that has begun or ended stays."""
    if fhir.status_in(encounter.resource) is EncounterStatus.ARRIVED:
        await _move(tx, encounter, EncounterStatus.CANCELLED, now=now)


async def _move(tx: Transaction, encounter: Stored, status: EncounterStatus, *, now: datetime) -> Stored:
    body = encounter.resource
    if not may_become(fhir.status_in(body), status):
        raise NotInProgress
    changed = fhir.with_status(body, status, now=now)
    moved = await write.update(tx, changed, id=encounter.id, now=now, expected=encounter.version)
    announce(tx, moved)
    return moved


def announce(tx: Transaction, encounter: Stored) -> None:
    """Tell the open pages of patient, doctor and clinic to look at the visit anew."""
    for channel, word in words(encounter):
        tx.announce(channel, word)


def words(encounter: Stored) -> list[tuple[str, str]]:
    """The live words that say "look at this visit"."""
    people = (person for person in fhir.people_in(encounter.resource) if person)
    return [(f"live:{person}", encounter.reference) for person in people]
