"""A real PostgreSQL for the tests: the embedded one, migrated once per test process."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from kernel.database import Database
from kernel.settings import Settings
from yuzhen import embedded, secret
from yuzhen.migrate import migrate


@contextmanager
def running_postgres(settings: Settings, *, log: Path) -> Iterator[None]:
    """The embedded server for these settings, stopped at the end."""
    embedded.prepare_runtime(settings)
    embedded.initialise_postgres(settings)
    with log.open("ab") as file:
        server = subprocess.Popen(
            embedded.postgres_command(settings),
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=embedded.dying_with_parent(signal.SIGINT),
        )
    try:
        embedded.wait_for_postgres(settings, lambda: server.poll() is None)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


@contextmanager
def migrated_postgres() -> Iterator[Settings]:
    """Settings of a fresh, migrated record."""
    with tempfile.TemporaryDirectory(prefix="yz-") as folder:
        settings = Settings(state_folder=folder, log_level="WARNING")
        secret.ensure(settings.secrets, "identity-signing.pem", secret.signing_key)
        for name in ("page-cursor-key", "pharmacy-code-key", "identity-number-key"):
            secret.ensure(settings.secrets, name)
        with running_postgres(settings, log=Path(folder) / "postgres.log"):
            asyncio.run(migrate(settings))
            yield settings


@asynccontextmanager
async def database_of(room: str, settings: Settings, *, size: int = 8) -> AsyncIterator[Database]:
    """The record as this room's role reaches it."""
    database = Database(settings.database_url(room), room=room, size=size)
    try:
        yield database
    finally:
        await database.close()


async def connect_as(role: str, settings: Settings) -> "asyncpg.Connection[asyncpg.Record]":
    """A bare connection under a role, for tests of the walls."""
    password = settings.secret(f"db-{role}")
    return await asyncpg.connect(
        host=str(settings.runtime / "pg"), user=role, password=password, database="yuzhen", timeout=10
    )


def debian_postgres() -> Path | None:
    """Debian's own PostgreSQL 15 programs, when this machine has them."""
    folder = Path("/usr/lib/postgresql/15/bin")
    return folder if (folder / "initdb").exists() and os.name == "posix" else None
