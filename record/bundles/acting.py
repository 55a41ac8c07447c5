"""Acting under another role for a while: what a room may do besides its own work, it does by name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kernel.database import PLAIN_ID, Transaction
from kernel.failures import Fault


@asynccontextmanager
async def acting_as(tx: Transaction, role: str, *, patient: str | None = None) -> AsyncIterator[None]:
    """Statements in here run under this role, for a reader role in this patient's compartment.

    A failure leaves the role as it is: the transaction is lost anyway, and the role with it.
    """
    begin = f'set local role "{role}"'
    if patient is not None:
        # A simple statement takes no parameters, so the value is quoted by hand.
        if not PLAIN_ID.fullmatch(patient):
            raise Fault
        begin += f"; set local record.patient = '{patient}'"
    await tx.raw.execute(begin)
    yield
    await tx.raw.execute("set local role none")
