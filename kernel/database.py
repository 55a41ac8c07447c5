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

import asyncpg
from alembic import op
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kernel.failures import Busy, Conflict, Failure, Fault, Invalid

PLAIN_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class DatabaseAway(Busy):
    """The record cannot be reached just now. Nothing was lost; try again in a moment."""

    code = "record-away"


class TookTooLong(Busy):
    """The question took too long to answer. Narrow it, or try again in a moment."""

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

    raw: "asyncpg.Connection[asyncpg.Record]"
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
        self._size = size
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
    async def _connection(self) -> AsyncIterator[tuple[AsyncConnection, "asyncpg.Connection[asyncpg.Record]"]]:
        # After a restart of the database every pooled connection is dead, and knows it.
        for _ in range(self._size + 1):
            async with self._engine.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
                if raw is not None and not raw.is_closed():
                    yield connection, raw
                    return
                await connection.invalidate()
        raise DatabaseAway

    async def close(self) -> None:
        await self._engine.dispose()


def _begin(room: str, patient: str | None) -> str:
    """BEGIN, and for a patient the reader role and whose compartment it reads: one trip, so quoted by hand."""
    if patient is None:
        return "begin"
    if not PLAIN_ID.fullmatch(patient):
        raise Fault
    return f"begin; set local role {room}_patient; set local record.patient = '{patient}'"


async def _undo(connection: AsyncConnection, raw: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Roll back, or throw the connection away when even that cannot be said."""
    try:
        await asyncio.shield(raw.execute("rollback", timeout=5))
    except BaseException:
        await connection.invalidate()


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
