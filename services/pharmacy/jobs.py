"""What the pharmacy does again and again."""

from datetime import timedelta

from kernel import idempotency
from kernel.database import Transaction
from kernel.queueing import job
from kernel.service import Room
from services.pharmacy import expiring


@job("pharmacy", every=timedelta(seconds=30))
async def expire_orders(tx: Transaction, room: Room) -> None:
    """End the orders whose prescription is no longer valid (RX-01)."""
    await expiring.expire_due(tx, ids=room.ids, now=room.clock.now())


@job("pharmacy", every=timedelta(hours=1))
async def forget_old_answers(tx: Transaction, room: Room) -> None:
    """Drop answers kept for clients that will not ask again."""
    await idempotency.forget(tx, before=room.clock.now() - timedelta(days=2))
