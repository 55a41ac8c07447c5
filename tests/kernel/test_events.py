import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from kernel import events
from kernel.clock import FixedClock
from kernel.database import Database, Transaction
from kernel.events import Consumer
from kernel.settings import Settings
from proto.yuzhen.consult.v1.events_pb2 import VisitFinished
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, tzinfo=UTC)
KIND = VisitFinished.DESCRIPTOR.full_name


async def tell(database: Database, *ids: str) -> None:
    for id_ in ids:
        async with database.transaction() as tx:
            await events.tell(tx, VisitFinished(encounter=id_), to=("pharmacy",), id=f"event-{id_}", now=NOW)


def consumer(database: Database, clock: FixedClock, handle: events.Handler) -> Consumer:
    # Redis is nowhere: facts must arrive without it.
    return Consumer("pharmacy", database, Redis.from_url("unix:///nowhere"), clock, {KIND: handle})


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


async def test_a_fact_is_carried_once_its_teller_commits(migrated: Settings, clock: FixedClock) -> None:
    """A consumer sees a fact with its content, in order, and not a second time."""
    heard: list[str] = []

    async def hear(tx: Transaction, body: bytes) -> None:
        heard.append(VisitFinished.FromString(body).encounter)

    async with database_of("consult", migrated) as consult, database_of("pharmacy", migrated) as pharmacy:
        await tell(consult, "a1", "a2")
        one = consumer(pharmacy, clock, hear)
        while await one.deliver_one():
            pass
        assert not await one.deliver_one()
    assert heard == ["a1", "a2"]


async def test_an_undone_transaction_tells_nothing(migrated: Settings, clock: FixedClock) -> None:
    """What was undone was never said."""

    async def hear(tx: Transaction, body: bytes) -> None:
        raise AssertionError

    async with database_of("consult", migrated) as consult, database_of("pharmacy", migrated) as pharmacy:
        with pytest.raises(ZeroDivisionError):
            async with consult.transaction() as tx:
                await events.tell(tx, VisitFinished(encounter="u"), to=("pharmacy",), id="event-u", now=NOW)
                raise ZeroDivisionError
        assert not await consumer(pharmacy, clock, hear).deliver_one()


async def test_a_failed_effect_is_tried_again_later(migrated: Settings, clock: FixedClock) -> None:
    """A fact whose effect fails waits longer each time and is not lost."""
    tries: list[datetime] = []

    async def hear(tx: Transaction, body: bytes) -> None:
        tries.append(clock.now())
        if len(tries) < 3:
            raise ValueError("a patient's name that must not be logged")

    async with database_of("consult", migrated) as consult, database_of("pharmacy", migrated) as pharmacy:
        await tell(consult, "f1")
        one = consumer(pharmacy, clock, hear)
        for _ in range(12):
            await one.deliver_one()
            clock.advance(timedelta(seconds=1))
    assert [(at - NOW).seconds for at in tries] == [0, 1, 3]


async def test_a_failed_effect_leaves_no_half(
    migrated: Settings, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What a handler wrote before it failed is undone, and its error text stays out of the log."""

    async def hear(tx: Transaction, body: bytes) -> None:
        await tx.raw.execute("delete from flow.event where id = 'event-h1'")
        raise ValueError("Zhang San")

    async with database_of("consult", migrated) as consult, database_of("pharmacy", migrated) as pharmacy:
        await tell(consult, "h1")
        assert await consumer(pharmacy, clock, hear).deliver_one()
        async with pharmacy.transaction() as tx:
            assert await tx.raw.fetchval("select count(*) from flow.event where id = 'event-h1'") == 1
            await tx.raw.execute("delete from flow.delivery_pharmacy")
    assert "ValueError" in caplog.text
    assert "Zhang" not in caplog.text


async def test_two_processes_share_the_work(migrated: Settings, clock: FixedClock) -> None:
    """Two consumers of one room carry each fact once between them."""
    heard: list[str] = []

    async def hear(tx: Transaction, body: bytes) -> None:
        await asyncio.sleep(0.005)
        heard.append(VisitFinished.FromString(body).encounter)

    async def drain(one: Consumer) -> None:
        while await one.deliver_one():
            pass

    async with database_of("consult", migrated) as consult, database_of("pharmacy", migrated) as pharmacy:
        ids = [f"s{n}" for n in range(20)]
        await tell(consult, *ids)
        await asyncio.gather(*(drain(consumer(pharmacy, clock, hear)) for _ in range(3)))
    assert sorted(heard) == sorted(ids)
