"""A step of an order, kept: its row, its Task, its lines and the live words, together in the caller's transaction."""

from collections.abc import Iterable
from datetime import datetime

from kernel.database import Transaction
from record import read, write
from record.stored import Stored
from record.visible import Everything
from services.pharmacy import fhir, store
from services.pharmacy.order import Order


async def advance(tx: Transaction, before: Order, after: Order, *, now: datetime) -> Stored:
    """Keep what a step made of an order; returns its Task."""
    await store.change(tx, before, after)
    task = await write.update(tx, fhir.task(after, now=now), id=after.id, now=now, expected=before.version)
    announce(tx, after, also=before.owner)
    return task


def announce(tx: Transaction, order: Order, *, also: str = "") -> None:
    """Tell patient, doctor and pharmacies to look at the order."""
    for party in {f"Patient/{order.patient}", order.prescriber, order.hospital_pharmacy, order.owner, also} - {""}:
        tx.announce(f"live:{party}", f"Task/{order.id}")


async def lines_of(tx: Transaction, order: Order) -> list[Stored]:
    """The order's MedicationRequests, in its order."""
    found = await read.read_many(tx, "MedicationRequest", [fill.request for fill in order.fills], visible=Everything())
    by_id = {one.id: one for one in found}
    return [by_id[fill.request] for fill in order.fills]


async def end_lines(tx: Transaction, lines: Iterable[Stored], *, status: str, now: datetime) -> None:
    """Give lines their last status."""
    for line in lines:
        body = fhir.ended(line.body, status=status)
        await write.update(tx, body, id=line.id, now=now, expected=line.version)
