"""What the appointments room does again and again."""

from datetime import timedelta

from kernel import idempotency
from kernel.database import Transaction
from kernel.queueing import job
from kernel.service import Room
from services.appointments import booking, opening

EVENTS_KEPT = timedelta(days=7)


@job("appointments", every=timedelta(seconds=5))
async def free_expired_holds(tx: Transaction, room: Room) -> None:
    """Give the places of holds that ran out back to the pool."""
    await booking.release_expired(tx, now=room.clock.now())


@job("appointments", every=timedelta(seconds=60))
async def open_days(tx: Transaction, room: Room) -> None:
    """Keep a fortnight open for booking: one day per run, so that no run is long."""
    now = room.clock.now()
    day = await opening.next_unopened_day(tx, now=now)
    if day is not None:
        await opening.open_day(tx, day, now=now)
    else:
        await opening.move_horizons(tx, now=now)


@job("appointments", every=timedelta(hours=1))
async def forget_old_answers(tx: Transaction, room: Room) -> None:
    """Drop answers kept for clients that will not ask again, and old facts; deliveries carry their own copy."""
    now = room.clock.now()
    await idempotency.forget(tx, before=now - timedelta(days=2))
    await tx.raw.execute("delete from flow.event where at < $1", now - EVENTS_KEPT)
