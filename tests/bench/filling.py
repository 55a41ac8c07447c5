"""Filling the record with a town, quickly: bulk writes through the record's own index code, a process for each room."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from math import gcd
from multiprocessing import get_context

import asyncpg

from kernel.database import Database
from kernel.settings import Settings
from record import write
from tests.bench.town import ENTERED, KINDS, Kind, Made, Town

BATCH = 2000
STRIDE = 7919


async def fill(settings: Settings, town: Town, *, before: Town, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make the town of `before` grow to this one, and let the planner know."""
    rooms = sorted({kind.room for kind in KINDS})
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(rooms), mp_context=get_context("spawn")) as aside:
        await asyncio.gather(
            *(loop.run_in_executor(aside, filled, settings, room, town.size, before.size) for room in rooms)
        )
    await admin.execute("vacuum analyze", timeout=600)
    await admin.execute("checkpoint", timeout=600)


def filled(settings: Settings, room: str, size: int, before: int) -> None:
    """One room's types; the work of one process."""
    asyncio.run(_filled(settings, room, Town(size), Town(before)))


async def _filled(settings: Settings, room: str, town: Town, before: Town) -> None:
    database = Database(settings.database_url(room), room=room, size=1)
    for kind in (one for one in KINDS if one.room == room):
        made = _new(kind, before.count(kind.type), town.count(kind.type))
        while batch := list(islice(made, BATCH)):
            async with database.transaction() as tx:
                await write.create_many(tx, batch, now=ENTERED)
    await database.close()


def _new(kind: Kind, first: int, end: int) -> Iterator[Made]:
    """Those from `first` up to `end`, in mixed order: what belongs together must not lie together by chance."""
    count = end - first
    stride = next(n for n in range(STRIDE, 2 * STRIDE) if gcd(n, max(1, count)) == 1)
    return (kind.made(first + n * stride % count) for n in range(count))
