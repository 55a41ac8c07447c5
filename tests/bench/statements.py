"""A booking's own statements as a pgbench script: recorded from the code that runs, so they cannot drift from it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel import idempotency
from kernel.auth.principal import Principal
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.ids import RandomIds
from record.audit import AuditEntry, written
from record.interactions.bundle import bundle
from services.appointments import booking
from services.appointments.appointment import BookingRequest

PLACE = re.compile(r"\$(\d+)")
NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|slot-bench-\d+")
ROUTE = "POST /fhir/Appointment/$book"
MADE_ANEW = "record.slot"
"""Statements on this table keep their keys: all slots of the script are copies of one."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its arguments."""

    text: str
    arguments: tuple[Any, ...]


async def recorded(database: Database, by: Principal, slot: str) -> list[Statement]:
    """What one booking says to PostgreSQL between BEGIN and COMMIT; the booking is made."""
    clock = SystemClock()
    ids, now = RandomIds(clock), clock.now()
    heard: list[Statement] = []

    def listen(query: Any) -> None:
        heard.append(Statement(query.query, tuple(query.args or ())))

    scope = {"account": by.account, "route": ROUTE, "key": ids.new()}
    async with database.transaction() as tx:
        tx.raw.add_query_logger(listen)
        await idempotency.begin(tx, **scope, body=b"", now=now)
        request = BookingRequest(patient=by.patient or "", slot=slot)
        booked = await booking.book(tx, request, by=by, ids=ids, now=now)
        entry = AuditEntry.by(by, "E", "$book", booked.type, entity=booked.reference, version=1, patient=by.patient)
        await written(tx, entry, ids=ids, now=now)
        answer = bundle([booked], type="searchset", total=1)
        await idempotency.keep(tx, idempotency.Kept(201, {"content-type": "application/fhir+json"}, answer), **scope)
        tx.raw.remove_query_logger(listen)
    return heard


def script(one: Sequence[Statement], other: Sequence[Statement], elsewhere: Sequence[Statement]) -> str:
    """A pgbench script of a booking, from three recordings: two of one doctor, one of another.

    What differs between the first two becomes new in each transaction, what differs only for another doctor takes one
    of 32 values, and the rest stays.
    """
    lines = ["\\set n :n + 1", "\\set id :base + :client_id * 1000000 + :n", "\\set doctor :id % 32", "begin;"]
    for mine, same, far in zip(one, other, elsewhere, strict=True):
        fixed = MADE_ANEW in mine.text
        values = [
            _value(a, () if fixed else b, () if fixed else c)
            for a, b, c in zip(mine.arguments, same.arguments, far.arguments, strict=True)
        ]
        text = PLACE.sub(lambda found, values=values: values[int(found[1]) - 1], mine.text)  # type: ignore[misc]
        lines.append(" ".join(text.split()) + ";")
    return "\n".join([*lines, "commit;", ""])


def _value(mine: Any, same: Any, far: Any) -> str:
    """An argument as a script says it."""
    match mine:
        case None:
            return "null"
        case bool() | int():
            return str(mine).lower()
        case bytes():
            return f"'\\x{mine.hex()}'::bytea"
        case datetime():
            return f"{_text(mine.isoformat())}::timestamptz"
        case str():
            return ":id" if NAME.fullmatch(mine) else _text(mine)
        case list() | tuple():
            return _array(mine, same or mine, far or mine)
    raise TypeError(type(mine))


def _array(mine: Sequence[Any], same: Iterable[Any], far: Iterable[Any]) -> str:
    if not mine:
        return "'{}'"
    if isinstance(mine[0], int) and not isinstance(mine[0], bool):
        same, far = set(same), set(far)
        moves = ("" if one in same & far else " + :doctor" if one in same else " + :id" for one in mine)
        return f"array[{', '.join(f'{one}{move}' for one, move in zip(mine, moves, strict=True))}]"
    return f"array[{', '.join(_value(one, (), ()) for one in mine)}]"


def _text(text: str) -> str:
    """A constant; pgbench would take a colon and a letter for a variable."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\072") + "'"
