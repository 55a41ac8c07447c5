"""CPU from the kernel's own process accounting: who used how much between two looks."""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Look:
    """Seconds of CPU each process has used so far, and the machine as a whole."""

    used: dict[int, float]
    machine: float


@dataclass(slots=True)
class Spent:
    """Seconds of CPU between two looks: by part of the platform, the load's client, and everything else here."""

    parts: dict[str, float] = field(default_factory=dict)
    elsewhere: float = 0.0

    def of(self, *parts: str) -> float:
        """What these parts used together."""
        return sum(self.parts.get(part, 0.0) for part in parts)


def look(pids: dict[str, int]) -> Look:
    """Look at the platform's processes, PostgreSQL's children, and this one."""
    processes = [*pids.values(), *children(pids["postgres"]), os.getpid()]
    return Look({pid: cpu(pid) for pid in processes}, _machine())


async def between(
    before: Look, after: Look, pids: dict[str, int], admin: "asyncpg.Connection[asyncpg.Record]"
) -> Spent:
    """What was used between two looks; PostgreSQL's backends count for the room they serve, as `<room> sql`."""
    rows = await admin.fetch("select pid, application_name as room from pg_stat_activity where application_name <> ''")
    names = {pid: name for name, pid in pids.items()} | {row["pid"]: f"{row['room']} sql" for row in rows}
    names |= {os.getpid(): "client"}
    parts: defaultdict[str, float] = defaultdict(float)
    for pid, used in after.used.items():
        parts[names.get(pid, "postgres")] += used - before.used.get(pid, 0.0)
    return Spent(dict(parts), max(0.0, after.machine - before.machine - sum(parts.values())))


def cpu(pid: int) -> float:
    """Seconds of CPU of all threads of a process, to the nanosecond; 0 when it has ended."""
    total = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total / 1e9


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def reaped(pid: int) -> float:
    """Seconds of CPU of a process's children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICK


def _machine() -> float:
    """Seconds all cores have been busy (user, nice, system, irq, softirq, steal)."""
    fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / TICK
