"""Where a process spends its CPU: the stack on top, looked at once per tick of CPU, from one signal to the next.

Time inside C code counts for the Python line that asked for it.
"""

import json
import signal
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

EVERY = 0.001
TOGGLE = signal.SIGUSR2


class Sampler:
    """Dormant, and free of cost, until its signal comes; written to a file when the signal comes again."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._stacks: Counter[tuple[CodeType, ...]] = Counter()
        self._running = False

    def arm(self) -> None:
        """Wait for the signal, in the process that calls this."""
        signal.signal(TOGGLE, self._toggle)
        signal.signal(signal.SIGPROF, self._take)

    def _toggle(self, number: int, frame: FrameType | None) -> None:
        self._running = not self._running
        every = EVERY if self._running else 0.0
        signal.setitimer(signal.ITIMER_PROF, every, every)
        if self._running:
            self._stacks.clear()
        else:
            self._write()

    def _take(self, number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        self._stacks[tuple(stack)] += 1

    def _write(self) -> None:
        seen = [([f"{c.co_filename}:{c.co_qualname}" for c in stack], n) for stack, n in self._stacks.items()]
        fresh = self._report.with_suffix(".new")
        fresh.write_text(json.dumps(seen))
        fresh.rename(self._report)
