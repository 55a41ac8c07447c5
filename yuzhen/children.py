"""Child processes of the supervisor: forked rooms and started programs, seen through one small surface."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from yuzhen.embedded import dying_with_parent

LONGEST_PAUSE = 10.0
SOUND_AFTER = 30.0


@dataclass(slots=True)
class Child:
    """A part of the platform that has to run: started, watched, started again."""

    name: str
    start: Callable[[Path], int]
    """Starts it with its log file and returns its pid."""
    stop_sign: int = signal.SIGTERM
    pid: int = 0
    started_at: float = 0.0
    falls: int = 0
    due_at: float = 0.0
    log: Path = field(default_factory=Path)

    def begin(self, logs: Path) -> None:
        """Start it now."""
        self.log = logs / f"{self.name}.log"
        self.pid = self.start(self.log)
        self.started_at = time.monotonic()

    def fell(self) -> float:
        """Note that it ended; returns the pause before it is started again, growing while it keeps falling."""
        lived = time.monotonic() - self.started_at
        self.falls = 0 if lived > SOUND_AFTER else self.falls + 1
        self.pid = 0
        pause = 0.0 if self.falls <= 1 else min(0.2 * 2.0**self.falls, LONGEST_PAUSE)
        self.due_at = time.monotonic() + pause
        return pause

    def signal(self, sign: int) -> None:
        """Send it a signal if it runs."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sign)


def forked(work: Callable[[], None]) -> Callable[[Path], int]:
    """A child that is this very process continued: the imported stack is shared, so it starts at once."""

    def start(log: Path) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        try:
            _become_child(log)
            work()
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 1
        except BaseException as wrong:
            sys.stderr.write(f"fell: {type(wrong).__name__}: {wrong}\n")
            code = 70
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

    return start


def _become_child(log: Path) -> None:
    dying_with_parent()()
    os.setpgid(0, 0)
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(sign, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    target = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)


def program(command: list[str], *, stop_sign: int = signal.SIGTERM) -> Callable[[Path], int]:
    """A child that is another program."""

    def start(log: Path) -> int:
        with log.open("ab") as file:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=dying_with_parent(stop_sign),
            )
        started.returncode = 0  # the supervisor reaps every child itself
        return started.pid

    return start


def run_to_end(name: str, work: Callable[[], None], logs: Path) -> None:
    """Do something once in a child, so that this process keeps no loop and no connection. Raises on failure."""
    log = logs / f"{name}.log"
    pid = forked(work)(log)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise ChildFailed(name, log)


class ChildFailed(Exception):
    """A step of starting the platform failed."""

    def __init__(self, name: str, log: Path) -> None:
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        last = lines[-1] if lines else ""
        super().__init__(f"The step '{name}' failed; see {log}\n{last}")
