"""Rows of the queue: numbers without gaps, one patient called at a time."""

from datetime import date, datetime

import asyncpg

from kernel.database import Transaction
from services.appointments.ticket import Ticket, TicketState

COLUMNS = "appointment, queue, day, number, state, patient"
NUMBER = """
insert into appointments.queue_day (queue, day, last_number) values ($1, $2, 1)
on conflict (queue, day) do update set last_number = queue_day.last_number + 1 returning last_number
"""
ENTER = f"""
insert into appointments.ticket (appointment, queue, day, number, state, patient, checked_in_at)
values ($1, $2, $3, $4, 'waiting', $5, $6)
on conflict (appointment) do update set number = excluded.number, state = 'waiting',
  checked_in_at = excluded.checked_in_at
returning {COLUMNS}
"""  # noqa: S608 - a constant
CALL = f"""
update appointments.ticket set state = 'called', called_at = $3 where appointment = (
  select appointment from appointments.ticket where queue = $1 and state = 'waiting' and day >= $2
  order by day, number limit 1 for update)
returning {COLUMNS}
"""  # noqa: S608 - a constant


async def lock_queue(tx: Transaction, queue: str) -> None:
    """Let one call at a time be made in a queue."""
    await tx.raw.execute("select 1 from appointments.schedule where id = $1 for no key update", queue)


async def ticket(tx: Transaction, appointment: str, *, lock: bool = False) -> Ticket | None:
    """A visit's ticket."""
    end = " for update" if lock else ""
    row = await tx.raw.fetchrow(f"select {COLUMNS} from appointments.ticket where appointment = $1{end}", appointment)  # noqa: S608
    return _ticket(row)


async def enter(tx: Transaction, *, appointment: str, queue: str, day: date, patient: str, now: datetime) -> Ticket:
    """Give the next number of the day."""
    number = await tx.raw.fetchval(NUMBER, queue, day)
    row = _ticket(await tx.raw.fetchrow(ENTER, appointment, queue, day, number, patient, now))
    assert row is not None  # noqa: S101 - an insert returns its row
    return row


async def call_next(tx: Transaction, queue: str, *, since: date, now: datetime) -> Ticket | None:
    """The waiting patient with the lowest number, now called."""
    return _ticket(await tx.raw.fetchrow(CALL, queue, since, now))


async def called(tx: Transaction, queue: str, *, since: date) -> Ticket | None:
    """The patient who was called and has not come in yet."""
    row = await tx.raw.fetchrow(
        f"select {COLUMNS} from appointments.ticket where queue = $1 and state = 'called' and day >= $2 limit 1",  # noqa: S608
        *(queue, since),
    )
    return _ticket(row)


async def set_state(tx: Transaction, appointment: str, state: TicketState) -> None:
    """Move a ticket on."""
    await tx.raw.execute("update appointments.ticket set state = $2 where appointment = $1", appointment, state.value)


async def ahead(tx: Transaction, one: Ticket) -> int:
    """How many wait before this ticket."""
    count: int = await tx.raw.fetchval(
        "select count(*) from appointments.ticket where queue = $1 and state = 'waiting' and (day, number) < ($2, $3)"
        " and day >= $2::date - 1",
        *(one.queue, one.day, one.number),
    )
    return count


async def open_tickets(tx: Transaction, queue: str, *, since: date) -> list[Ticket]:
    """Everyone of this queue who is not finished: in the visit, called, waiting, missed."""
    rows = await tx.raw.fetch(
        f"select {COLUMNS} from appointments.ticket where queue = $1 and day >= $2 and state <> 'done'"  # noqa: S608
        " order by array_position(array['in-visit', 'called', 'waiting', 'missed'], state), day, number",
        *(queue, since),
    )
    return [one for row in rows if (one := _ticket(row))]


def _ticket(row: "asyncpg.Record | None") -> Ticket | None:
    return Ticket(**{**row, "state": TicketState(row["state"])}) if row else None
