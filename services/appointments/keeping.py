"""Direct FHIR writes of directory, diary and visits, held to what the private rows allow."""

from datetime import datetime
from typing import Any

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.failures import Forbidden
from kernel.service import Room
from record import read, write
from record.failures import ResourceDeleted, ResourceUnknown, VersionStale
from record.ownership import types
from record.stored import Stored
from record.visible import Everything, visible_to
from services.appointments import booking, fhir, policy, store
from services.appointments.appointment import AppointmentStatus
from services.appointments.asking_fhir import request_of
from services.appointments.diary import Opening
from services.appointments.failures import (
    OnlyCancel,
    ScheduleUnusable,
    SlotInUse,
    SlotNotBusy,
    SlotTaken,
    SlotUnusable,
)


async def enter_schedule(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    """A new schedule of one doctor in one clinic. Raises ScheduleUnusable."""
    await keep_schedule(tx, id, resource)
    return await write.create(tx, body, id=id, now=room.clock.now())


async def change_schedule(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    room: Room,
) -> Stored:
    """A schedule as it is from now on. Raises ScheduleUnusable."""
    await keep_schedule(tx, id, resource)
    return await write.update(tx, body, id=id, now=room.clock.now(), expected=expected)


async def enter_slot(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    """A new free slot of a known schedule. Raises SlotUnusable."""
    schedule = str(resource["schedule"].get("reference", "")).removeprefix("Schedule/")
    start, end = datetime.fromisoformat(resource["start"]), datetime.fromisoformat(resource["end"])
    known = await store.schedule(tx, schedule) is not None
    short = start < end <= start + policy.LONGEST_SLOT
    if not (known and short and resource["status"] == "free"):
        raise SlotUnusable
    await store.put_slots(tx, [Opening(id, schedule, start, end, fhir.visit_in(resource), 1)])
    return await write.create(tx, body, id=id, now=room.clock.now())


async def change_slot(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    room: Room,
) -> Stored:
    """Close a free slot or open it again; its times stay. Raises SlotInUse, SlotUnusable."""
    current = (await read.read(tx, "Slot", id, visible=Everything())).resource
    if not _same_time(resource, current):
        raise SlotUnusable
    if resource["status"] not in {"free", "busy-unavailable"}:
        raise SlotUnusable
    if not await store.set_closed(tx, id, closed=resource["status"] == "busy-unavailable"):
        raise SlotInUse
    if resource["status"] == "free" and current["status"] not in {"free", "busy-unavailable"}:
        raise SlotInUse
    return await write.update(tx, body, id=id, now=room.clock.now(), expected=expected)


async def show_booked(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    room: Room,
) -> Stored:
    """Beside an Appointment, a client's busy Slot says what the booking has made of it; nothing more is written.

    Raises SlotNotBusy, SlotUnusable, VersionStale, and what `change_slot` raises.
    """
    if resource["status"] != "busy":
        if by.role not in types()["Slot"].writers:
            raise Forbidden
        return await change_slot(tx, resource, body, id=id, expected=expected, by=by, room=room)
    current = await read.read(tx, "Slot", id, visible=visible_to(by))
    if not _same_time(resource, current.resource):
        raise SlotUnusable
    if current.resource["status"] != "busy":
        raise SlotNotBusy
    # The version the client knew is the one before the booking beside it.
    if expected not in {None, current.version, current.version - 1}:
        raise VersionStale
    return current


async def remove_slot(tx: Transaction, *, id: str, expected: int | None, by: Principal, room: Room) -> Stored:
    """Take out a slot nobody ever used. Raises SlotInUse."""
    if not await store.remove_slot(tx, id):
        raise SlotInUse
    return await write.delete(tx, "Slot", id, now=room.clock.now(), expected=expected)


async def enter_appointment(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    """A plain client's booked Appointment is a booking like any other; asked for again, it is the one that stands."""
    request = request_of(resource, body)
    if already := await booking.standing(tx, request, by=by):
        return already
    try:
        return await booking.book(tx, request, id=id, by=by, ids=room.ids, now=room.clock.now())
    except SlotTaken:
        # The same request, sent twice at once: its twin may have been the one that took the place.
        if already := await booking.standing(tx, request, by=by):
            return already
        raise


async def change_appointment(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    room: Room,
) -> Stored:
    """Cancel a visit, or rewrite its comment; everything else goes by operations. Raises OnlyCancel."""
    current = await read.read(tx, "Appointment", id, visible=visible_to(by))
    if resource["status"] == AppointmentStatus.CANCELLED:
        reason = resource.get("cancelationReason", {}).get("text")
        now = room.clock.now()
        return await booking.cancel(tx, id, by=by, reason=reason, expected=expected, ids=room.ids, now=now)
    if _fixed(current.resource) != _fixed(resource):
        raise OnlyCancel
    return await write.update(tx, body, id=id, now=room.clock.now(), expected=expected)


def _same_time(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in ("schedule", "start", "end"))


def _fixed(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in {"comment", "meta"}}


async def keep_schedule(tx: Transaction, id: str, resource: dict[str, Any]) -> None:
    """Note in the diary what a Schedule says. Raises ScheduleUnusable."""
    references = {a.get("reference", "").partition("/")[0]: a.get("reference", "") for a in resource["actor"]}
    clinic = references.get("HealthcareService", "").partition("/")[2]
    try:
        service = await read.read(tx, "HealthcareService", clinic, visible=Everything())
    except (ResourceUnknown, ResourceDeleted):
        raise ScheduleUnusable from None
    organization = service.resource.get("providedBy", {}).get("reference", "")
    row = fhir.schedule_row(resource, organization=organization)
    if row is None:
        raise ScheduleUnusable
    await store.put_schedule(tx, id, row)
