"""Orders end by themselves when their prescription's validity does (RX-01)."""

from datetime import datetime

from kernel.database import Transaction
from services.pharmacy import store
from services.pharmacy.advancing import advance, end_lines, lines_of

BATCH = 100


async def expire_due(tx: Transaction, *, now: datetime) -> int:
    """Expire a batch of orders whose time is over; returns how many. Running twice changes nothing more."""
    due = await store.due(tx, now=now, limit=BATCH)
    for before in due:
        await end_lines(tx, await lines_of(tx, before), status="stopped", now=now)
        await advance(tx, before, before.expire(now=now), now=now)
    return len(due)
