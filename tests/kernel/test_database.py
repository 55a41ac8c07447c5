import asyncio

import asyncpg
import pytest

from kernel.database import CommitRefused, Crossed, Database, DatabaseAway
from kernel.failures import Fault
from kernel.settings import Settings
from tests.support.postgres import connect_as, database_of

COUNT = "select count(*) from identity.idempotency where key = $1"
ENTER = (
    "insert into identity.idempotency (account, route, key, request, created_at)"
    " values ('a', 'r', $1, ''::bytea, '2026-11-25T00:00:00Z')"
)


async def count(settings: Settings, key: str) -> int:
    connection = await connect_as("identity", settings)
    try:
        return int(await connection.fetchval(COUNT, key))
    finally:
        await connection.close()


async def test_a_finished_transaction_is_kept(migrated: Settings) -> None:
    """What a transaction wrote is there once it has ended."""
    async with database_of("identity", migrated) as database, database.transaction() as tx:
        await tx.raw.execute(ENTER, "kept")
        assert await count(migrated, "kept") == 0
    assert await count(migrated, "kept") == 1


async def test_a_broken_transaction_leaves_nothing(migrated: Settings) -> None:
    """An error undoes everything, through both drivers, and the connection can be used again."""
    async with database_of("identity", migrated, size=1) as database:
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as tx:
                await tx.raw.execute(ENTER, "broken")
                await tx.sql.exec_driver_sql(ENTER.replace("$1", "'broken-too'"))
                raise ZeroDivisionError
        async with database.transaction() as tx:
            assert await tx.raw.fetchval(COUNT, "broken") == 0
            assert await tx.raw.fetchval(COUNT, "broken-too") == 0


async def test_a_swallowed_error_is_not_committed(migrated: Settings) -> None:
    """A commit that the database turns into a rollback is a failure, never a success."""
    async with database_of("identity", migrated) as database:
        with pytest.raises(CommitRefused):
            async with database.transaction() as tx:
                await tx.raw.execute(ENTER, "swallowed")
                with pytest.raises(asyncpg.UndefinedTableError):
                    await tx.raw.execute("select * from nowhere")
    assert await count(migrated, "swallowed") == 0


async def test_a_cancelled_request_leaves_nothing(migrated: Settings) -> None:
    """A caller who goes away in the middle leaves neither rows nor a broken connection."""
    async with database_of("identity", migrated, size=1) as database:

        async def slow() -> None:
            async with database.transaction() as tx:
                await tx.raw.execute(ENTER, "cancelled")
                await tx.raw.execute("select pg_sleep(30)")

        task = asyncio.create_task(slow())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.transaction() as tx:
            assert await tx.raw.fetchval(COUNT, "cancelled") == 0


async def test_a_patient_reads_under_the_reader_role(migrated: Settings) -> None:
    """A patient's transaction runs as the reader role, and the next one does not."""
    async with database_of("consult", migrated, size=1) as database:
        async with database.transaction(patient="p-1") as tx:
            who = await tx.raw.fetchrow("select current_user, current_setting('record.patient')")
            assert tuple(who or ()) == ("consult_patient", "p-1")
        async with database.transaction() as tx:
            assert await tx.raw.fetchval("select current_user") == "consult"


async def test_an_id_that_is_no_id_never_reaches_the_database(migrated: Settings) -> None:
    """A patient id with a quote in it is our fault, not a statement."""
    async with database_of("consult", migrated) as database:
        with pytest.raises(Fault):
            async with database.transaction(patient="x'; drop table flow.event; --"):
                pass


async def test_crossing_changes_are_told_as_such(migrated: Settings) -> None:
    """Of two transactions that wait for one another, one is undone with a clear failure."""
    async with database_of("identity", migrated) as database:
        async with database.transaction() as tx:
            await tx.raw.execute(ENTER, "left")
            await tx.raw.execute(ENTER, "right")
        meet = asyncio.Barrier(2)

        async def cross(first: str, second: str) -> None:
            touch = "update identity.idempotency set status = 1 where key = $1"
            async with database.transaction() as tx:
                await tx.raw.execute(touch, first)
                await meet.wait()
                await tx.raw.execute(touch, second)

        ended = await asyncio.gather(cross("left", "right"), cross("right", "left"), return_exceptions=True)
    assert [type(one) for one in ended if one] == [Crossed]


async def test_a_database_that_is_away_is_busy(migrated: Settings) -> None:
    """A wrong password or a missing server is told as busy, without the address."""
    database = Database("postgresql+asyncpg://nobody:x@/yuzhen?host=/nowhere", room="identity")
    with pytest.raises(DatabaseAway) as away:
        async with database.transaction():
            pass
    assert "nowhere" not in str(away.value.outcome())
    await database.close()


async def test_a_killed_backend_is_replaced(migrated: Settings) -> None:
    """When the server ends a connection, the next transaction gets a fresh one."""
    async with database_of("identity", migrated, size=1) as database:
        with pytest.raises(DatabaseAway):
            async with database.transaction() as tx:
                await tx.raw.execute("select pg_terminate_backend(pg_backend_pid())")
        async with database.transaction() as tx:
            assert await tx.raw.fetchval("select 1") == 1
