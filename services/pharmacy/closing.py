"""The pharmacy is done: the order is closed and its lines are completed."""

from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from record.stored import Stored
from services.pharmacy import store
from services.pharmacy.advancing import advance, end_lines, lines_of
from services.pharmacy.claiming import opened


async def close(tx: Transaction, id: str, *, secret: str, by: Principal, key: bytes, now: datetime) -> Stored:
    """Close a dispensed order; returns its Task. Raises the failures of `claiming.opened`, NothingDispensed."""
    before = opened(await store.held(tx, id), secret=secret, by=by, key=key)
    after = before.close(organization=by.organization)
    await end_lines(tx, await lines_of(tx, before), status="completed", now=now)
    return await advance(tx, before, after, now=now)
