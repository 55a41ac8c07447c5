"""A platform of the benchmark's own: fresh state, the real supervisor, every durability setting as delivered."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from kernel.settings import Settings
from tests.bench.sampler import TOGGLE
from yuzhen import embedded
from yuzhen.up import ready

READY_WITHIN = 180.0
STATEMENTS = "\nshared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = 'none'\n"


class NotStarted(Exception):
    """The benchmark's platform did not become ready; its output follows."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The running platform as the benchmark sees it from outside."""

    settings: Settings

    def pids(self) -> dict[str, int]:
        """Process of each child of the supervisor."""
        lines = (self.settings.state / "pids").read_text().split("\n")
        return {name: int(pid) for name, pid in (line.split() for line in lines if line)}

    @asynccontextmanager
    async def admin(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection that may see and set everything."""
        connection = await asyncpg.connect(
            host=str(self.settings.runtime / "pg"),
            user=embedded.ADMIN,
            password=self.settings.secret("db-admin"),
            database="yuzhen",
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def gather_statistics(self) -> None:
        """What the server would do by itself within a minute: know how many rows there are of what."""
        async with self.admin() as admin:
            await admin.execute("analyze", timeout=120)

    async def count_statements(self, on: bool) -> None:
        """Have the server keep, or stop keeping, how often and how long each statement runs."""
        async with self.admin() as admin:
            await admin.execute(f"alter system set pg_stat_statements.track = '{'top' if on else 'none'}'")
            await admin.execute("select pg_reload_conf()")
            if on:
                await admin.execute("create extension if not exists pg_stat_statements")
                await admin.execute("select pg_stat_statements_reset()")
        await asyncio.sleep(0.3)

    @contextmanager
    def sampled(self, *rooms: str) -> Iterator[None]:
        """Sample these rooms meanwhile; the reports lie in the state folder afterwards."""
        pids = self.pids()
        for room in rooms:
            self.report(room).unlink(missing_ok=True)
            os.kill(pids[room], TOGGLE)
        yield
        for room in rooms:
            os.kill(pids[room], TOGGLE)
        deadline = time.monotonic() + 10
        while not all(self.report(room).exists() for room in rooms) and time.monotonic() < deadline:
            time.sleep(0.05)

    def report(self, room: str) -> Path:
        """Where a room's sampler writes."""
        return self.settings.state / f"sampled-{room}.json"


@contextmanager
def running_platform() -> Iterator[Platform]:
    """A fresh platform, stopped and removed at the end. Raises NotStarted."""
    with tempfile.TemporaryDirectory(prefix="yz-bench-") as folder:
        settings = Settings(
            state_folder=f"{folder}/state", port_number=str(_free_port()), media_port_number="0", log_level="WARNING"
        )
        _prepare(settings)
        log = Path(folder) / "up.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.sampled"], env=_environment(settings), stdout=said, stderr=said
            )
        try:
            _wait(settings, process, log)
            yield Platform(settings)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            shutil.rmtree(settings.runtime, ignore_errors=True)


def _prepare(settings: Settings) -> None:
    """The server's own file gets a statement counter, switched off until the profile asks for it."""
    embedded.prepare_runtime(settings)
    embedded.initialise_postgres(settings)
    with (settings.state / "postgres" / "postgresql.conf").open("a") as file:
        file.write(STATEMENTS)


def _environment(settings: Settings) -> dict[str, str]:
    ours = {
        "YUZHEN_STATE": settings.state_folder,
        "YUZHEN_PORT": settings.port_number,
        "YUZHEN_MEDIA_PORT": settings.media_port_number,
        "YUZHEN_LOG_LEVEL": settings.log_level,
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("YUZHEN_")} | ours


def _wait(settings: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not ready(settings):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotStarted(log.read_text()[-2000:])
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
