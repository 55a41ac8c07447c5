"""One supervisor runs the whole platform: database, Valkey, every room; what falls is started again at once.

The shared stack is imported once, before any loop, thread or connection exists; each room is then a fork of this one.
"""

import contextlib
import fcntl
import gc
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import IO

from kernel.settings import Settings
from yuzhen import embedded
from yuzhen.children import Child, forked, program
from yuzhen.rooms import HTTP_ROOMS, package
from yuzhen.serve import listen, serve

STOP_WITHIN = 8.0


class AlreadyRunning(Exception):
    """The platform already runs on this state folder. Stop it first, or set YUZHEN_STATE to another folder."""


class Supervisor:
    """Starts the children in order, watches them, and stops them in reverse."""

    def __init__(self, settings: Settings, *, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._children: list[Child] = []
        self._stopping = False
        self._lock: IO[str] | None = None
        self.logs = settings.state / "log"

    def take(self) -> None:
        """Claim the state folder for this process alone. Raises AlreadyRunning."""
        embedded.prepare_runtime(self._settings)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self._lock = (self._settings.state / "supervisor.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(AlreadyRunning.__doc__) from None
        os.set_inheritable(self._lock.fileno(), False)

    def start_engines(self) -> None:
        """Start the embedded PostgreSQL and Valkey, unless the hospital brings its own."""
        if self._settings.database == "embedded":
            embedded.initialise_postgres(self._settings)
            command = embedded.postgres_command(self._settings)
            postgres = self._begin(Child("postgres", program(command, stop_sign=signal.SIGINT), signal.SIGINT))
            embedded.wait_for_postgres(self._settings, lambda: _alive(postgres.pid))
        if self._settings.redis == "embedded":
            self._begin(Child("valkey", program(embedded.valkey_command(self._settings))))

    def start_rooms(self) -> None:
        """Import what all rooms share, then fork each of them."""
        for room in HTTP_ROOMS:
            import_module(f"{package(room)}.app")
        for name in ("services.consult.rtc.node", "yuzhen.worker"):
            import_module(name)
        gc.collect()
        gc.freeze()
        sockets = {room: listen(self._settings, room) for room in HTTP_ROOMS}
        self._begin(Child("rtc", forked(self._rtc)))
        for room in reversed(HTTP_ROOMS):
            self._begin(Child(room, forked(self._serving(room, sockets[room]))))
        self._begin(Child("worker", forked(self._work)))

    def watch(self, *, tick: Callable[[], None] = lambda: None) -> None:
        """Keep everything running until SIGINT or SIGTERM."""
        alarm = _Alarm(self._stop)
        while not self._stopping:
            alarm.sleep(0.2)
            self._restart_fallen()
            tick()

    def stop(self) -> None:
        """Stop the rooms, then the engines; what does not listen is killed."""
        engines = [c for c in self._children if c.name in {"postgres", "valkey"}]
        for group in ([c for c in reversed(self._children) if c not in engines], engines):
            for child in group:
                child.signal(child.stop_sign)
            deadline = time.monotonic() + STOP_WITHIN
            while any(c.pid for c in group) and time.monotonic() < deadline:
                self._reap()
                time.sleep(0.02)
            for child in group:
                child.signal(signal.SIGKILL)
        self._reap()

    def pids(self) -> dict[str, int]:
        """Which process each child is now."""
        return {child.name: child.pid for child in self._children}

    def _begin(self, child: Child) -> Child:
        self._children.append(child)
        child.begin(self.logs)
        self._note_pids()
        return child

    def _note_pids(self) -> None:
        lines = "".join(f"{name} {pid}\n" for name, pid in self.pids().items())
        (self._settings.state / "pids").write_text(lines)

    def _serving(self, room: str, sock: socket.socket) -> Callable[[], None]:
        return lambda: serve(room, self._settings, sock)

    def _rtc(self) -> None:
        from services.consult.rtc import node

        node.serve(
            control=self._settings.rtc_address,
            media_addresses=self._settings.media_addresses,
            media_port=self._settings.media_port,
        )

    def _work(self) -> None:
        from yuzhen import worker

        worker.run(self._settings)

    def _stop(self) -> None:
        self._stopping = True

    def _reap(self) -> list[Child]:
        fallen = []
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            fallen += [child for child in self._children if child.pid == pid]
            for child in fallen:
                if child.pid == pid:
                    child.pid = 0
        return fallen

    def _restart_fallen(self) -> None:
        for child in self._reap():
            pause = child.fell()
            self._say(
                f"{child.name} ended; starting it again{f' in {pause:.1f} s' if pause else ''} (log: {child.log})"
            )
        for child in self._children:
            if not child.pid and not self._stopping and time.monotonic() >= child.due_at:
                child.begin(self.logs)
                self._note_pids()


def _alive(pid: int) -> bool:
    """Whether a child still runs; an ended one is left for the reaper."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


class _Alarm:
    """A sleep that ends early when a child falls or the user wants to stop."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        # Both ends are kept: the interpreter writes to the one for as long as signals may come.
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reader, selectors.EVENT_READ)
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(sign, self._heard)

    def sleep(self, seconds: float) -> None:
        """Sleep at most so long."""
        if self._selector.select(seconds):
            with contextlib.suppress(BlockingIOError):
                self._reader.recv(4096)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stop()
