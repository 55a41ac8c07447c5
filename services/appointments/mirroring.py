"""Keep the FHIR Slot saying what the private counters decided, in the same transaction."""

from datetime import datetime

from kernel.database import Transaction
from record import read, write
from record.visible import Everything


async def show_slot(tx: Transaction, slot: str, *, status: str, now: datetime) -> None:
    """Give the Slot this status, if it has another."""
    current = await read.read(tx, "Slot", slot, visible=Everything())
    if current.resource["status"] != status:
        await write.update(tx, {**current.resource, "status": status}, id=slot, now=now, expected=current.version)
