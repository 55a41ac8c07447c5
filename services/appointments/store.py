"""Rows of places, holds, bookings and tickets; the counters here decide, the FHIR resources follow."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
import orjson

from kernel.database import Transaction
from services.appointments.appointment import Place, Visit
from services.appointments.diary import Opening, Pattern

PLACE = """
s.id as slot, s.schedule, s.starts_at, s.ends_at, s.visit, d.practitioner, d.service, d.organization, d.location,
d.practitioner_display, d.service_display, s.taken + s.held >= s.capacity as full
"""
TAKE = f"""
update appointments.slot s set taken = taken + 1 from appointments.schedule d
where s.id = $1 and d.id = s.schedule and not s.closed and s.taken + s.held < s.capacity and s.starts_at > $2
returning {PLACE}
"""  # noqa: S608 - a constant
TAKE_HELD = f"""
update appointments.slot s set taken = taken + 1, held = held - 1 from appointments.schedule d
where s.id = $1 and d.id = s.schedule returning {PLACE}
"""  # noqa: S608 - a constant
HOLD = TAKE.replace("taken = taken + 1", "held = held + 1", 1)
GIVE_BACK = f"""
update appointments.slot s set taken = taken - 1 from appointments.schedule d
where s.id = $1 and d.id = s.schedule returning {PLACE}
"""  # noqa: S608 - a constant
EXPIRE = """
with gone as (delete from appointments.hold where appointment in (
  select appointment from appointments.hold where expires_at <= $1 and ($2::text is null or slot = $2)
  order by slot limit $3 for update skip locked) returning slot, appointment)
select slot, array_agg(appointment) as appointments from gone group by slot order by slot
"""
FREE = f"""
select {PLACE} from appointments.slot s join appointments.schedule d on d.id = s.schedule
where s.starts_at >= $1 and s.starts_at < $2 and not s.closed and s.taken + s.held < s.capacity
and ($3::text[] is null or d.practitioner = any($3)) and ($4::text[] is null or d.organization = any($4))
and ($5::text[] is null or d.service = any($5)) and ($6::text[] is null or d.location = any($6))
and ($7::text is null or s.visit = $7)
order by s.starts_at, s.id limit $8
"""  # noqa: S608 - a constant


async def take(tx: Transaction, slot: str, *, now: datetime) -> Place | None:
    """Take one free place by compare-and-set, or None when there is none to take."""
    return _place(await tx.raw.fetchrow(TAKE, slot, now))


async def take_held(tx: Transaction, slot: str) -> Place:
    """Turn a held place into a taken one."""
    place = _place(await tx.raw.fetchrow(TAKE_HELD, slot))
    assert place is not None  # noqa: S101 - a hold's slot exists by foreign key
    return place


async def hold(tx: Transaction, slot: str, *, now: datetime) -> Place | None:
    """Keep one free place for somebody, or None when there is none."""
    return _place(await tx.raw.fetchrow(HOLD, slot, now))


async def give_back(tx: Transaction, slot: str) -> Place:
    """Give a taken place back to the pool."""
    place = _place(await tx.raw.fetchrow(GIVE_BACK, slot))
    assert place is not None  # noqa: S101 - a booking's slot exists by foreign key
    return place


async def put_hold(
    tx: Transaction, *, appointment: str, slot: str, patient: str, account: str, expires_at: datetime
) -> None:
    """Note for whom a place is kept, and until when."""
    await tx.raw.execute(
        "insert into appointments.hold (appointment, slot, patient, account, expires_at) values ($1, $2, $3, $4, $5)",
        *(appointment, slot, patient, account, expires_at),
    )


async def pop_hold(tx: Transaction, appointment: str, *, patient: str, now: datetime) -> str | None:
    """The slot of a living hold of this patient, taken out; None when it has expired or is another's."""
    slot: str | None = await tx.raw.fetchval(
        "delete from appointments.hold where appointment = $1 and patient = $2 and expires_at > $3 returning slot",
        *(appointment, patient, now),
    )
    return slot


async def expire_holds(
    tx: Transaction, *, now: datetime, slot: str | None = None, at_most: int = 500
) -> list[tuple[str, list[str]]]:
    """Free the places of expired holds: the slot, and the pending visits that had them."""
    freed = []
    for row in await tx.raw.fetch(EXPIRE, now, slot, at_most):
        await unhold(tx, row["slot"], len(row["appointments"]))
        freed.append((row["slot"], row["appointments"]))
    return freed


async def unhold(tx: Transaction, slot: str, places: int = 1) -> None:
    """Give held places back to the pool."""
    await tx.raw.execute("update appointments.slot set held = held - $2 where id = $1", slot, places)


async def slot_times(tx: Transaction, slot: str) -> tuple[datetime, bool] | None:
    """When a slot begins and whether it is closed, to say why it could not be taken."""
    row = await tx.raw.fetchrow("select starts_at, closed from appointments.slot where id = $1", slot)
    return (row["starts_at"], row["closed"]) if row else None


async def put_booking(tx: Transaction, *, appointment: str, slot: str, patient: str, visit: str, now: datetime) -> bool:
    """Note who has the place; False when this patient has the slot already."""
    try:
        await tx.raw.execute(
            "insert into appointments.booking (appointment, slot, patient, visit, booked_at)"
            " values ($1, $2, $3, $4, $5)",
            *(appointment, slot, patient, visit, now),
        )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def standing_booking(tx: Transaction, *, slot: str, patient: str) -> str | None:
    """Id of the visit by which this patient has a place in the slot."""
    appointment: str | None = await tx.raw.fetchval(
        "select appointment from appointments.booking where slot = $1 and patient = $2 and cancelled_at is null",
        *(slot, patient),
    )
    return appointment


async def cancel_booking(tx: Transaction, appointment: str, *, now: datetime) -> str | None:
    """The slot of a booking that is now cancelled; None when it was cancelled before or never was."""
    slot: str | None = await tx.raw.fetchval(
        "update appointments.booking set cancelled_at = $2 where appointment = $1 and cancelled_at is null"
        " returning slot",
        *(appointment, now),
    )
    return slot


async def free_places(
    tx: Transaction,
    *,
    start: datetime,
    end: datetime,
    practitioners: Sequence[str] | None,
    organizations: Sequence[str] | None,
    services: Sequence[str] | None,
    locations: Sequence[str] | None,
    visit: str | None,
    at_most: int,
) -> list[Place]:
    """Free places in order of time; None asks for any."""
    rows = await tx.raw.fetch(FREE, start, end, practitioners, organizations, services, locations, visit, at_most)
    return [place for row in rows if (place := _place(row))]


async def put_schedule(tx: Transaction, id: str, row: dict[str, Any]) -> None:
    """Enter or change a doctor's schedule."""
    names = ("practitioner", "service", "organization", "location", "practitioner_display", "service_display")
    values = [row[name] for name in names] + [orjson.dumps(row[n]).decode() for n in ("service_type", "specialty")]
    columns = ", ".join((*names, "service_type", "specialty"))
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*names, "service_type", "specialty"))
    await tx.raw.execute(
        f"insert into appointments.schedule (id, {columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"  # noqa: S608 - constant names
        f" on conflict (id) do update set {changes}",
        *(id, *values),
    )


async def schedule(tx: Transaction, id: str) -> "asyncpg.Record | None":
    """A doctor's schedule."""
    return await tx.raw.fetchrow("select * from appointments.schedule where id = $1", id)


async def put_patterns(tx: Transaction, patterns: Iterable[Pattern]) -> None:
    """Enter clinic hours; hours entered before stay."""
    await tx.raw.executemany(
        "insert into appointments.pattern (schedule, cycle_days, day_of_cycle, begins, slots, minutes, visit, capacity)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
        [
            (p.schedule, p.cycle_days, p.day_of_cycle, p.begins, p.slots, p.minutes, p.visit.value, p.capacity)
            for p in patterns
        ],
    )


async def unopened(tx: Transaction, day: date) -> list[Pattern]:
    """Patterns of the schedules whose slots of this day do not exist yet."""
    rows = await tx.raw.fetch(
        "select p.* from appointments.pattern p where not exists (select 1 from appointments.opened_day o"
        " where o.schedule = p.schedule and o.day = $1) order by p.schedule, p.begins",
        day,
    )
    return [Pattern(**{**row, "visit": Visit(row["visit"])}) for row in map(dict, rows)]


async def mark_opened(tx: Transaction, day: date, schedules: Iterable[str]) -> set[str]:
    """Claim a day of these schedules; returns those that were still to be opened."""
    rows = await tx.raw.fetch(
        "insert into appointments.opened_day (schedule, day) select s, $1 from unnest($2::text[]) s"
        " on conflict do nothing returning schedule",
        *(day, list(schedules)),
    )
    return {row["schedule"] for row in rows}


async def put_slots(tx: Transaction, slots: Iterable[Opening]) -> None:
    """Enter new, free slots."""
    await tx.raw.executemany(
        "insert into appointments.slot (id, schedule, starts_at, ends_at, visit, capacity)"
        " values ($1, $2, $3, $4, $5, $6)",
        [(s.slot, s.schedule, s.starts_at, s.ends_at, s.visit.value, s.capacity) for s in slots],
    )


async def set_closed(tx: Transaction, slot: str, *, closed: bool) -> bool:
    """Close or open a slot for booking; False when patients have it."""
    changed = await tx.raw.fetchval(
        "update appointments.slot set closed = $2 where id = $1 and (not $2 or taken + held = 0) returning true",
        *(slot, closed),
    )
    return bool(changed)


async def remove_slot(tx: Transaction, slot: str) -> bool:
    """Take a slot that nobody ever used out of the diary."""
    removed = await tx.raw.fetchval(
        "delete from appointments.slot s where id = $1 and taken + held = 0"
        " and not exists (select 1 from appointments.booking b where b.slot = s.id) returning true",
        slot,
    )
    return bool(removed)


def _place(row: "asyncpg.Record | None") -> Place | None:
    if row is None:
        return None
    fields = {name: row[name] for name in Place.__dataclass_fields__}
    return Place(**{**fields, "visit": Visit(row["visit"])})


async def schedules_with_patterns(tx: Transaction) -> list[str]:
    """Schedules whose days are opened by patterns."""
    rows = await tx.raw.fetch("select distinct schedule from appointments.pattern order by schedule")
    return [row["schedule"] for row in rows]
