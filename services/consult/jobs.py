"""What the consult room does again and again."""

from datetime import timedelta

from kernel import idempotency
from kernel.database import Transaction
from kernel.queueing import job
from kernel.service import Room


@job("consult", every=timedelta(hours=1))
async def forget_old_answers(tx: Transaction, room: Room) -> None:
    """Drop answers kept for clients that will not ask again."""
    await idempotency.forget(tx, before=room.clock.now() - timedelta(days=2))
