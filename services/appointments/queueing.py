"""From check-in to the call into the room (候诊, 叫号)."""

from datetime import datetime, timedelta

from kernel.auth.principal import Principal, Role
from kernel.clock import local
from kernel.database import Transaction
from kernel.ids import Ids
from record import read, write
from record.stored import Stored
from record.visible import Everything, visible_to
from services.appointments import events, fhir, policy, queue_store, store
from services.appointments.appointment import AppointmentStatus, may_become
from services.appointments.booking import announce
from services.appointments.failures import (
    NotBooked,
    NotCheckedIn,
    NotYourQueue,
    StillCalled,
    TooEarly,
    TooLate,
)
from services.appointments.ticket import NEXT, Ticket, TicketState, check_in_window, queue_day

LOOK_BACK = timedelta(days=1)
"""A clinic that runs past midnight still serves yesterday's numbers."""


async def check_in(tx: Transaction, id: str, *, by: Principal, now: datetime) -> Stored:
    """The patient is here, or at the screen, and gets a number. Checking in twice gives the same number.

    Raises TooEarly, TooLate, NotBooked, ResourceUnknown.
    """
    current = await read.read(tx, "Appointment", id, visible=visible_to(by))
    body = current.resource
    queue = await _queue_of(tx, body)
    await queue_store.lock_queue(tx, queue)
    standing = await queue_store.ticket(tx, id, lock=True)
    if standing and standing.state is not TicketState.MISSED:
        return await read.read(tx, "Appointment", id, visible=visible_to(by))
    status = AppointmentStatus(body["status"])
    if not standing and not may_become(status, AppointmentStatus.CHECKED_IN):
        raise NotBooked
    starts_at = datetime.fromisoformat(body["start"])
    _check_time(starts_at, datetime.fromisoformat(body["end"]), now=now)
    ticket = await queue_store.enter(
        tx, appointment=id, queue=queue, day=queue_day(starts_at), patient=fhir.patient_in(body), now=now
    )
    changed = fhir.with_status(body, AppointmentStatus.CHECKED_IN)
    shown = await write.update(tx, fhir.with_ticket(changed, ticket), id=id, now=now, expected=None)
    announce(tx, id, f"Patient/{ticket.patient}", fhir.practitioner_in(body), fhir.service_in(body))
    return shown


async def place_in_queue(tx: Transaction, id: str, *, by: Principal) -> tuple[Ticket, int]:
    """A patient's ticket and how many wait before it. Raises NotCheckedIn."""
    await read.read(tx, "Appointment", id, visible=visible_to(by))
    ticket = await queue_store.ticket(tx, id)
    if ticket is None:
        raise NotCheckedIn
    return ticket, await queue_store.ahead(tx, ticket)


async def queue_of(tx: Transaction, schedule: str, *, by: Principal, now: datetime) -> list[Stored]:
    """Everyone of the queue who is not finished: in the visit, called, waiting by number, missed."""
    await _check_staff(tx, schedule, by=by)
    tickets = await queue_store.open_tickets(tx, schedule, since=local(now - LOOK_BACK).date())
    found = await read.read_many(tx, "Appointment", [t.appointment for t in tickets], visible=visible_to(by))
    by_id = {one.id: one for one in found}
    return [by_id[t.appointment] for t in tickets if t.appointment in by_id]


async def call_next(tx: Transaction, schedule: str, *, by: Principal, ids: Ids, now: datetime) -> Stored | None:
    """Call the next patient into the room; None when nobody waits. Raises StillCalled, NotYourQueue."""
    row = await _check_doctor(tx, schedule, by=by)
    await queue_store.lock_queue(tx, schedule)
    since = local(now - LOOK_BACK).date()
    if await queue_store.called(tx, schedule, since=since):
        raise StillCalled
    ticket = await queue_store.call_next(tx, schedule, since=since, now=now)
    if ticket is None:
        return None
    called = await _show(tx, ticket, now=now)
    await events.tell_called(
        tx,
        appointment=ticket.appointment,
        patient=ticket.patient,
        practitioner=row["practitioner"],
        service=row["service"],
        organization=row["organization"],
        location=row["location"],
        visit=fhir.visit_in(called.resource).value,
        id=ids.new(),
        now=now,
    )
    for waiting in await queue_store.open_tickets(tx, schedule, since=since):
        announce(tx, waiting.appointment, f"Patient/{waiting.patient}")
    return called


async def recall(tx: Transaction, id: str, *, by: Principal) -> Stored:
    """Call the same patient once more. Raises NotCheckedIn."""
    ticket = await _own_ticket(tx, id, by=by)
    if ticket.state is not TicketState.CALLED:
        raise NotCheckedIn
    announce(tx, id, f"Patient/{ticket.patient}")
    return await read.read(tx, "Appointment", id, visible=Everything())


async def skip(tx: Transaction, id: str, *, by: Principal, now: datetime) -> Stored:
    """The patient did not come (过号): the turn is missed, and checking in again gives a new number."""
    ticket = await _own_ticket(tx, id, by=by)
    if TicketState.MISSED not in NEXT[ticket.state]:
        raise NotCheckedIn
    return await _move(tx, ticket, TicketState.MISSED, now=now)


async def visit_started(tx: Transaction, appointment: str, *, now: datetime) -> None:
    """Doctor and patient are in the room. Heard twice, it changes nothing."""
    ticket = await queue_store.ticket(tx, appointment, lock=True)
    if ticket and TicketState.IN_VISIT in NEXT[ticket.state]:
        await _move(tx, ticket, TicketState.IN_VISIT, now=now)


async def visit_finished(tx: Transaction, appointment: str, *, now: datetime) -> None:
    """The visit is over: the ticket is done and the visit fulfilled. Heard twice, it changes nothing."""
    ticket = await queue_store.ticket(tx, appointment, lock=True)
    if ticket and ticket.state is not TicketState.DONE:
        await _move(tx, ticket, TicketState.DONE, now=now, status=AppointmentStatus.FULFILLED)


async def _move(
    tx: Transaction, ticket: Ticket, state: TicketState, *, now: datetime, status: AppointmentStatus | None = None
) -> Stored:
    await queue_store.set_state(tx, ticket.appointment, state)
    moved = Ticket(ticket.appointment, ticket.queue, ticket.day, ticket.number, state, ticket.patient)
    return await _show(tx, moved, now=now, status=status)


async def _show(tx: Transaction, ticket: Ticket, *, now: datetime, status: AppointmentStatus | None = None) -> Stored:
    """Write the ticket into its visit, and tell those concerned to look."""
    current = await read.read(tx, "Appointment", ticket.appointment, visible=Everything())
    body = fhir.with_ticket(current.resource, ticket)
    if status and may_become(AppointmentStatus(body["status"]), status):
        body = fhir.with_status(body, status)
    shown = await write.update(tx, body, id=current.id, now=now, expected=None)
    announce(tx, current.id, f"Patient/{ticket.patient}", fhir.practitioner_in(body), fhir.service_in(body))
    return shown


async def _queue_of(tx: Transaction, body: dict[str, object]) -> str:
    slot = await read.read(tx, "Slot", fhir.slot_in(body) or "", visible=Everything())
    return str(slot.resource["schedule"]["reference"]).removeprefix("Schedule/")


async def _own_ticket(tx: Transaction, id: str, *, by: Principal) -> Ticket:
    await read.read(tx, "Appointment", id, visible=visible_to(by))
    ticket = await queue_store.ticket(tx, id, lock=True)
    if ticket is None:
        raise NotCheckedIn
    await _check_doctor(tx, ticket.queue, by=by)
    return ticket


async def _check_doctor(tx: Transaction, schedule: str, *, by: Principal) -> dict[str, str]:
    row = await store.schedule(tx, schedule)
    if row is None or by.role is not Role.PRACTITIONER or row["practitioner"] != by.fhir_user:
        raise NotYourQueue
    return dict(row)


async def _check_staff(tx: Transaction, schedule: str, *, by: Principal) -> None:
    row = await store.schedule(tx, schedule)
    if row is None or by.role is not Role.PRACTITIONER or row["service"] not in by.clinics:
        raise NotYourQueue


def _check_time(starts_at: datetime, ends_at: datetime, *, now: datetime) -> None:
    opens, closes = check_in_window(starts_at, ends_at, opens=policy.CHECK_IN_OPENS, closes=policy.CHECK_IN_CLOSES)
    if now < opens:
        raise TooEarly
    if now > closes:
        raise TooLate
