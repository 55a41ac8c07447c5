"""Orders end by themselves when their prescription's validity does (RX-01)."""

from datetime import datetime

from kernel.auth.principal import Role
from kernel.database import Transaction
from kernel.ids import Ids
from record.audit import AuditEntry, written
from record.stored import Stored
from services.pharmacy import store
from services.pharmacy.advancing import advance, end_lines, lines_of

BATCH = 200


async def expire_due(tx: Transaction, *, ids: Ids, now: datetime) -> int:
    """Expire a batch of orders whose time is over; returns how many. Running it again changes nothing more."""
    due = await store.due(tx, now=now, limit=BATCH)
    tasks = []
    for before in due:
        await end_lines(tx, await lines_of(tx, before), status="stopped", now=now)
        tasks.append(await advance(tx, before, before.expire(now=now), now=now))
    if tasks:
        await written(tx, *map(_entry, tasks), ids=ids, now=now)
    return len(tasks)


def _entry(task: Stored) -> AuditEntry:
    """The room itself did it."""
    marks = (task.type, task.reference, task.version, task.patient, "0", "", None)
    return AuditEntry("pharmacy", Role.SYSTEM.value, "", "U", "expire", *marks)
