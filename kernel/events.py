"""Facts told from room to room: kept in PostgreSQL until the effect at each consumer is committed.

A use case inserts the event and one delivery row per consumer in its own transaction. The consumer claims its rows with
SKIP LOCKED and deletes each in the transaction of its effect; a fact may come twice, never be lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.message import Message
from redis.asyncio import Redis

from kernel import notify
from kernel.clock import Clock
from kernel.database import Database, Transaction
from kernel.failures import Failure
from kernel.telemetry import EVENTS, place_of

log = logging.getLogger(__name__)

INSERT = """
with told as (insert into flow.event (id, kind, at, body) values ($1, $2, $3, $4))
insert into flow.delivery (consumer, event_id, kind, body, due_at) select c, $1, $2, $4, $3 from unnest($5::text[]) c
"""
CLAIM = """
select event_id, kind, body, attempts from flow.delivery_{room} where due_at <= $1
order by due_at, event_id limit 1 for update skip locked
"""
THIS = "where consumer = '{room}' and event_id = $1"
DONE = f"delete from flow.delivery_{{room}} {THIS}"  # noqa: S608 - the room's own name
LATER = f"update flow.delivery_{{room}} set attempts = attempts + 1, due_at = $2 {THIS}"  # noqa: S608 - the same
LONGEST_WAIT = timedelta(minutes=5)

Handler = Callable[[Transaction, bytes], Awaitable[None]]


async def tell(tx: Transaction, event: Message, *, to: tuple[str, ...], id: str, now: datetime) -> None:
    """Tell the rooms in `to` a fact, if this transaction commits. Its kind is the message's full name."""
    await tx.raw.execute(INSERT, id, event.DESCRIPTOR.full_name, now, event.SerializeToString(), list(to))
    for room in to:
        tx.announce(f"events:{room}", "")


@dataclass(slots=True)
class Consumer:
    """Carries facts to one room's handlers, one transaction each."""

    room: str
    database: Database
    redis: "Redis"
    clock: Clock
    handlers: Mapping[str, Handler]

    async def run(self) -> None:
        """Look at each word, and every second without one, until cancelled."""
        async for _ in notify.listen(self.redis, [f"events:{self.room}"]):
            try:
                while await self.deliver_one():
                    pass
            except Failure as away:
                log.warning("events wait: %s", away.code)
                await asyncio.sleep(0.5)

    async def deliver_one(self) -> bool:
        """Carry one due fact to its handler; False when none is due."""
        event_id, attempts = "", 0
        try:
            async with self.database.transaction() as tx:
                row = await tx.raw.fetchrow(CLAIM.format(room=self.room), self.clock.now())
                if row is None:
                    return False
                event_id, attempts = row["event_id"], row["attempts"]
                await self.handlers[row["kind"]](tx, row["body"])
                await tx.raw.execute(DONE.format(room=self.room), event_id)
            EVENTS.labels(self.room, "done").inc()
            await notify.announce(self.redis, tx.words)
        except Exception as wrong:
            if not event_id:
                raise
            EVENTS.labels(self.room, "again").inc()
            log.error("event %s failed at attempt %d: %s", event_id, attempts + 1, place_of(wrong))
            await self._put_off(event_id, attempts)
        return True

    async def _put_off(self, event_id: str, attempts: int) -> None:
        wait = min(timedelta(seconds=2 ** min(attempts, 10)), LONGEST_WAIT)
        async with self.database.transaction() as tx:
            await tx.raw.execute(LATER.format(room=self.room), event_id, self.clock.now() + wait)
