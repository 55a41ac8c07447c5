"""What identity does again and again: forget what nobody can use any more."""

from datetime import timedelta

from kernel import idempotency
from kernel.database import Transaction
from kernel.queueing import job
from kernel.service import Room
from services.identity import store


@job("identity", every=timedelta(minutes=10))
async def forget_spent_grants(tx: Transaction, room: Room) -> None:
    """Drop expired codes, refresh tokens and old answers."""
    now = room.clock.now()
    await store.drop_expired(tx, now=now)
    await idempotency.forget(tx, before=now - timedelta(days=2))
