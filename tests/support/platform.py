"""The whole platform as a person starts it: `yuzhen up` as a process of its own, with ports and a folder of its own."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from kernel.settings import Settings
from yuzhen.embedded import dying_with_parent
from yuzhen.token import token
from yuzhen.up import ready

READY_WITHIN = 120.0
STOPPED_WITHIN = 30.0
GONE_WITHIN = 2.0
"""What was killed needs a moment to be gone."""
YUZHEN = (str(Path(sys.executable).with_name("yuzhen")),)


class NotReady(Exception):
    """The platform did not come up; the message is what it said."""


class LeftOver(Exception):
    """Processes of the platform outlived it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a platform is to be started."""

    offset: timedelta = timedelta(0)
    media_address: str = ""
    host: str = "127.0.0.1"
    inside: Sequence[str] = ()
    """Words put before the command, such as those that enter a network namespace."""
    demo_inside: Sequence[str] = ()
    """The same for the demonstration, when it runs on another machine of the network."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform."""

    settings: Settings
    environment: Mapping[str, str]
    supervisor: "subprocess.Popen[bytes]"
    said: Path
    wish: Wish

    @property
    def address(self) -> str:
        return self.settings.address

    @property
    def password(self) -> str:
        """The password all demo accounts of this installation have."""
        return self.settings.secret("demo-password")

    @property
    def ready_after(self) -> float:
        """Seconds from start to ready, by the platform's own word."""
        words = self.said.read_text().partition("Ready after ")[2].split()
        return float(words[0])

    def token(self, account: str) -> str:
        """An access token for a demo account."""
        # In a thread of its own: the caller may stand inside an event loop, as a browser's does.
        with ThreadPoolExecutor(1) as aside:
            return aside.submit(asyncio.run, token(self.settings, account)).result()

    def pids(self) -> dict[str, int]:
        """Which process each part is now; 0 while it is down."""
        lines = (self.settings.state / "pids").read_text().splitlines()
        return {name: int(pid) for name, pid in (line.split() for line in lines)}

    def is_ready(self) -> bool:
        """Whether every room can work, by the gateway's word."""
        return ready(self.settings)

    def kill(self, part: str) -> None:
        """Kill one part without warning, once it is up."""
        deadline = time.monotonic() + 10
        while not (pid := self.pids().get(part, 0)) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)

    def logs(self) -> Iterator[Path]:
        """Every log file."""
        yield from sorted((self.settings.state / "log").iterdir())

    def demo(self) -> "subprocess.CompletedProcess[str]":
        """Play one visit against it, as `make demo` does."""
        return self.run("demo")

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `yuzhen` with this platform's settings."""
        with self.start(*command) as process:
            said, _ = process.communicate(timeout=180)
        return subprocess.CompletedProcess(command, process.returncode, said)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """The same, without waiting for its end."""
        return subprocess.Popen(
            [*self.wish.demo_inside, *YUZHEN, *command],
            env={**self.environment, "COLUMNS": "160"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=dying_with_parent(),
        )


@contextmanager
def running_platform(wish: Wish | None = None, *, state: Path | None = None) -> Iterator[Platform]:
    """A platform that is ready, stopped at the end; raises LeftOver when a process outlives it."""
    asked = wish or Wish()
    with ExitStack() as stack:
        home = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yz-")))
        platform = _started(asked, home)
        stack.callback(shutil.rmtree, platform.settings.runtime, ignore_errors=True)
        try:
            _wait_until_ready(platform)
            yield platform
        finally:
            _stop(platform)


def _started(wish: Wish, state: Path) -> Platform:
    port, media_port = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
    given = {
        "YUZHEN_STATE": str(state),
        "YUZHEN_HOST": wish.host,
        "YUZHEN_PORT": str(port),
        "YUZHEN_MEDIA_PORT": str(media_port),
        "YUZHEN_MEDIA_ADDRESS": wish.media_address,
        "YUZHEN_CLOCK_OFFSET": str(wish.offset.total_seconds()),
        **wish.environment,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YUZHEN_")} | given
    said = state / "said.txt"
    with said.open("wb") as file:
        supervisor = subprocess.Popen(
            [*wish.inside, *YUZHEN, "up"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=dying_with_parent(signal.SIGINT),
        )
    return Platform(Settings.from_environment(environment), environment, supervisor, said, wish)


def _wait_until_ready(platform: Platform) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while "Ready after" not in platform.said.read_text():
        if platform.supervisor.poll() is not None or time.monotonic() > deadline:
            raise NotReady(platform.said.read_text())
        time.sleep(0.05)


def _stop(platform: Platform) -> None:
    """Ask it to stop as Ctrl-C does, and look whether anything stayed."""
    platform.supervisor.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        platform.supervisor.wait(STOPPED_WITHIN)
    deadline = time.monotonic() + GONE_WITHIN
    while (left := processes_of(platform)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    platform.supervisor.wait()
    if left:
        raise LeftOver(f"{len(left)} processes outlived the platform: {sorted(left.values())}")


def processes_of(platform: Platform) -> dict[int, str]:
    """Living processes of this platform, by pid (Linux): those started with its state folder, or working in it.

    PostgreSQL overwrites its environment with the title it shows, but stays in its data folder.
    """
    mark, home = f"YUZHEN_STATE={platform.settings.state}".encode(), platform.settings.state / "postgres"
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_ours = mark in (entry / "environ").read_bytes().split(b"\0") or (entry / "cwd").readlink() == home
            is_alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if is_ours and is_alive:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
    return found


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def later(wish: Wish, days: int) -> Wish:
    """The same platform so many days later."""
    return replace(wish, offset=wish.offset + timedelta(days=days))


_KEPT = pytest.StashKey[Platform]()


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Platform:
    """One running platform for all tests of this process that leave it as sound as they found it."""
    config = request.config
    if _KEPT not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[_KEPT] = stack.enter_context(running_platform())
    return config.stash[_KEPT]
