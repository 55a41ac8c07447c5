"""One request or job, one transaction: opened, committed and rolled back here, at the edge, and nowhere else.

SQLAlchemy owns the pool and the services' private tables (`Transaction.sql`); the record's hot statements run on the
asyncpg connection underneath (`Transaction.raw`). Both stand in the same transaction: the engine is in autocommit and
this file says BEGIN and COMMIT itself, so that a patient's reader role travels with BEGIN in one trip.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncpg
from alembic import op
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kernel.failures import Busy, Conflict, Failure, Fault, Invalid

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pair: TypeAlias = tuple[AsyncConnection, "asyncpg.Connection[asyncpg.Record]"]
WAIT_AT_MOST = 10.0
PLAIN_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class DatabaseAway(Busy):
    """The record cannot be reached just now. Nothing was lost; try again in a moment."""

    code = "record-away"


class TookTooLong(Busy):
    """Finding this took too long. Ask for less, such as one patient, code or span of dates, or a smaller page."""

    code = "took-too-long"


class Crossed(Conflict):
    """Two changes crossed and yours was undone. Send it again."""

    code = "crossed"


class TextUnusable(Invalid):
    """A text holds a character that cannot be kept. Leave it out and send the request again."""

    code = "text-unusable"


class CommitRefused(Fault):
    """The change was not kept because an earlier step of it had failed."""

    code = "commit-refused"


@dataclass(slots=True)
class Transaction:
    """The one transaction of a request or job."""

    raw: Raw
    sql: AsyncConnection
    room: str
    words: list[tuple[str, str]] = field(default_factory=list)

    def announce(self, channel: str, word: str) -> None:
        """Say "look now" on a live channel once this transaction is committed; a lost word loses nothing."""
        if (channel, word) not in self.words:
            self.words.append((channel, word))


class Database:
    """The record as one room reaches it, under the room's own role."""

    def __init__(self, url: str, *, room: str, size: int = 8) -> None:
        self.room = room
        # Kept checked out: SQLAlchemy's own checkout would cost each request more than its statements do.
        self._idle: list[Pair] = []
        self._places = asyncio.Semaphore(size)
        self._engine: AsyncEngine = create_async_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=size,
            max_overflow=0,
            pool_timeout=10,
            pool_reset_on_return=None,
            connect_args={"command_timeout": 30, "server_settings": {"application_name": room, "jit": "off"}},
        )

    @asynccontextmanager
    async def transaction(self, *, patient: str | None = None) -> AsyncIterator[Transaction]:
        """All of it or nothing. With `patient`, reads see that patient's compartment alone."""
        with _named_failures():
            async with self._connection() as (connection, raw):
                await raw.execute(_begin(self.room, patient))
                tx = Transaction(raw=raw, sql=connection, room=self.room)
                try:
                    yield tx
                    done = await raw.execute("commit")
                except BaseException:
                    await _undo(connection, raw)
                    raise
                if done != "COMMIT":
                    raise CommitRefused

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Single statements, each its own transaction: the cheapest way to read for staff."""
        with _named_failures():
            async with self._connection() as (connection, raw):
                yield Transaction(raw=raw, sql=connection, room=self.room)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Pair]:
        try:
            async with asyncio.timeout(WAIT_AT_MOST):
                await self._places.acquire()
        except TimeoutError:
            raise DatabaseAway from None
        try:
            pair = await self._taken()
            try:
                yield pair
            finally:
                await self._given_back(*pair)
        finally:
            self._places.release()

    async def _taken(self) -> Pair:
        """A living connection: one kept from before, else a new one."""
        while self._idle:
            connection, raw = self._idle.pop()
            if not raw.is_closed():
                return connection, raw
            await _thrown_away(connection)
        connection = await self._engine.connect()
        fresh = (await connection.get_raw_connection()).driver_connection
        if fresh is None or fresh.is_closed():
            await _thrown_away(connection)
            raise DatabaseAway
        return connection, fresh

    async def _given_back(self, connection: AsyncConnection, raw: Raw) -> None:
        if connection.invalidated or raw.is_closed():
            await _thrown_away(connection)
            return
        if connection.in_transaction():
            # SQLAlchemy counts a transaction of its own from its first statement on; in the database none is open.
            await connection.rollback()
        self._idle.append((connection, raw))

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop()[0].close()
        await self._engine.dispose()


def _begin(room: str, patient: str | None) -> str:
    """BEGIN, and for a patient the reader role and whose compartment it reads: one trip, so quoted by hand."""
    if patient is None:
        return "begin"
    if not PLAIN_ID.fullmatch(patient):
        raise Fault
    return f"begin; set local role {room}_patient; set local record.patient = '{patient}'"


async def _undo(connection: AsyncConnection, raw: Raw) -> None:
    """Roll back, or throw the connection away when even that cannot be said."""
    try:
        await asyncio.shield(raw.execute("rollback", timeout=5))
    except BaseException:
        await connection.invalidate()


async def _thrown_away(connection: AsyncConnection) -> None:
    if not connection.invalidated:
        await connection.invalidate()
    await connection.close()


@contextmanager
def _named_failures() -> Iterator[None]:
    """Turn the driver's words into ours."""
    try:
        yield
    except DBAPIError as wrapped:
        away = DatabaseAway() if wrapped.connection_invalidated else None
        raise _named(wrapped.orig.__cause__ if wrapped.orig else None) or away or wrapped from wrapped
    except (PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as direct:
        raise _named(direct) or direct from direct


def _named(error: BaseException | None) -> Failure | None:
    match error:
        case asyncpg.CharacterNotInRepertoireError() | asyncpg.UntranslatableCharacterError():
            return TextUnusable()
        case asyncpg.QueryCanceledError() | TimeoutError():
            return TookTooLong()
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
            return Crossed()
        case (
            PoolTimeout()
            | OSError()
            | asyncpg.PostgresConnectionError()
            | asyncpg.OperatorInterventionError()
            | asyncpg.InsufficientResourcesError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
        ):
            return DatabaseAway()
    return None


def execute_script(sql: str) -> None:
    """Run a schema change's script of several statements in its migration's transaction."""
    bind = op.get_bind()
    bind.exec_driver_sql("select 1")  # opens the transaction the script must stand in
    bind.connection.dbapi_connection.run_async(lambda driver: driver.execute(sql))  # type: ignore[union-attr]
