"""What follows from a booking, a cancellation or a call that appointments tells of. Heard twice, nothing changes."""

from datetime import datetime

from kernel.database import Transaction
from kernel.ids import derived
from record import read, write
from record.stored import Stored
from record.visible import Everything
from services.consult import fhir, store, visiting, wording
from services.consult.encounter import OPEN, Call, encounter_of

OVER = frozenset({"cancelled", "noshow", "entered-in-error"})


async def called(tx: Transaction, call: Call, *, now: datetime) -> None:
    """The doctor calls: the patient's encounter begins. Called again, the patient is told again."""
    id_ = encounter_of(call.appointment)
    await store.lock_visit(tx, id_)
    standing = await _standing(tx, "Encounter", id_)
    if standing is None:
        # The call may come after the cancellation that overtook it.
        appointment = await _standing(tx, "Appointment", call.appointment)
        if appointment and appointment.resource["status"] not in OVER:
            visiting.announce(tx, await write.create(tx, fhir.encounter(call, now=now), id=id_, now=now))
    elif fhir.status_in(standing.resource) in OPEN:
        visiting.announce(tx, standing)


async def booked(tx: Transaction, appointment: str, *, now: datetime) -> None:
    """Confirm a booking to the patient in writing."""
    stored = await _standing(tx, "Appointment", appointment)
    if stored:
        body = stored.resource
        doctor, clinic = _displays(body)
        texts = wording.booked(_start(body), doctor=doctor, clinic=clinic, visit=fhir.kind_in(body))
        await _write_to_patient(tx, stored, kind="booked", texts=texts, now=now)


async def cancelled(tx: Transaction, appointment: str, *, now: datetime) -> None:
    """Confirm a cancellation in writing, and end an encounter that has not begun. A hold given back needs no word."""
    await store.lock_visit(tx, encounter_of(appointment))
    encounter = await _standing(tx, "Encounter", encounter_of(appointment))
    if encounter:
        await visiting.cancel(tx, encounter, now=now)
    stored = await _standing(tx, "Appointment", appointment)
    if stored and await _was_booked(tx, appointment):
        doctor, clinic = _displays(stored.resource)
        texts = wording.cancelled(_start(stored.resource), doctor=doctor, clinic=clinic)
        await _write_to_patient(tx, stored, kind="cancelled", texts=texts, now=now)


async def _write_to_patient(
    tx: Transaction, appointment: Stored, *, kind: str, texts: tuple[str, str], now: datetime
) -> None:
    id_ = derived(f"notification-{kind}", appointment.id)
    await store.lock_visit(tx, id_)
    if await _standing(tx, "Communication", id_):
        return
    sender = str(fhir.actor_in(appointment.resource, "HealthcareService").get("reference", ""))
    body = fhir.notification(
        appointment=appointment.id, patient=appointment.patient or "", sender=sender, texts=texts, now=now
    )
    written = await write.create(tx, body, id=id_, now=now)
    tx.announce(f"live:Patient/{appointment.patient}", written.reference)


async def _standing(tx: Transaction, type_: str, id_: str) -> Stored | None:
    found = await read.read_many(tx, type_, [id_], visible=Everything())
    return found[0] if found else None


async def _was_booked(tx: Transaction, appointment: str) -> bool:
    versions = await read.history(tx, "Appointment", appointment, visible=Everything())
    return any(not one.deleted and one.resource["status"] == "booked" for one in versions)


def _displays(appointment: dict[str, object]) -> tuple[str, str]:
    doctor, clinic = (fhir.actor_in(appointment, type_) for type_ in ("Practitioner", "HealthcareService"))
    return str(doctor.get("display", "")), str(clinic.get("display", ""))


def _start(appointment: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(appointment["start"]))
