"""Where the time goes: CPU by process, statements by cost, and Python by layer and by function."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.city import City
from tests.bench.loads import BOOK, Load, Run, run
from tests.bench.platform import Platform

OURS = ("kernel", "record", "gateway", "services")
ROOT = Path(__file__).resolve().parent.parent.parent
TOP = """
select u.rolname as role, s.calls, s.total_exec_time, s.query from pg_stat_statements s
join pg_roles u on u.oid = s.userid where u.rolname <> 'yuzhen_admin' order by s.total_exec_time desc limit 24
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """A line of a profile: what it is, its share, and how often it happened for each answer."""

    name: str
    share: float
    times: float = 0.0


@dataclass(frozen=True, slots=True)
class Split:
    """One load under the sampler."""

    load: Load
    run: Run
    statements: list[Cost]
    """Milliseconds of execution for each answer, and times it ran."""
    layers: dict[str, list[Cost]]
    functions: dict[str, list[Cost]]


async def split(platform: Platform, city: City, load: Load, *, seconds: float) -> Split:
    """Run a load once more, with statements counted and the gateway and the room sampled."""
    await platform.count_statements(True)
    rooms = ("gateway", *load.rooms, *(("consult",) if load is BOOK else ()))
    with platform.sampled(*rooms):
        done = await run(platform, city, load, seconds=seconds)
    await platform.count_statements(False)
    async with platform.admin() as admin:
        rows = await admin.fetch(TOP)
    statements = [
        Cost(
            f"{row['role']}: {_short(row['query'])}", row["total_exec_time"] / done.answers, row["calls"] / done.answers
        )
        for row in rows
    ]
    stacks = {room: json.loads(platform.report(room).read_text()) for room in rooms}
    return Split(
        load,
        done,
        statements,
        {room: layers(stacks[room]) for room in rooms},
        {room: functions(stacks[room]) for room in rooms},
    )


def layers(stacks: Sequence[tuple[list[str], int]]) -> list[Cost]:
    """Share of each package, by the innermost frame that is not the standard library's."""
    found: Counter[str] = Counter()
    for stack, count in stacks:
        owners = [_owner(frame) for frame in stack]
        found[next((one for one in owners if one != "standard library"), "standard library")] += count
    return _shares(found, sum(count for _, count in stacks))


def functions(stacks: Sequence[tuple[list[str], int]]) -> list[Cost]:
    """Share of each function of ours with all that it calls."""
    found: Counter[str] = Counter()
    for stack, count in stacks:
        found.update(dict.fromkeys((_name(frame) for frame in stack if _owner(frame) in OURS), count))
    return _shares(found, sum(count for _, count in stacks))


def _shares(found: Counter[str], total: int) -> list[Cost]:
    return [Cost(name, count / max(1, total)) for name, count in found.most_common(25)]


def _owner(frame: str) -> str:
    file = frame.rpartition(":")[0]
    if "site-packages/" in file:
        return file.partition("site-packages/")[2].split("/")[0].removesuffix(".py")
    if file.startswith(str(ROOT)):
        return file.removeprefix(f"{ROOT}/").split("/")[0]
    return "standard library"


def _name(frame: str) -> str:
    file, _, function = frame.rpartition(":")
    return f"{file.removeprefix(f'{ROOT}/')} {function}"


def _short(query: str) -> str:
    return " ".join(query.split())[:90].replace("|", "\\|")
