"""The doctor withdraws a prescription before a pharmacy has claimed it."""

from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from record.stored import Stored
from services.pharmacy import store
from services.pharmacy.advancing import advance, end_lines, lines_of


async def cancel(tx: Transaction, id: str, *, reason: str, by: Principal, now: datetime) -> Stored:
    """Cancel the order; returns its Task. Raises OrderUnknown, NotPrescriber, OrderElsewhere."""
    before = await store.held(tx, id)
    after = before.cancel(by=by.fhir_user, reason=reason.strip() or None)
    await end_lines(tx, await lines_of(tx, before), status="cancelled", now=now)
    return await advance(tx, before, after, now=now)
