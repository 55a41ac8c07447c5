"""The bare PostgreSQL ceiling: pgbench runs a booking's own statements on the same server, with nothing in between."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

from kernel.database import Database
from tests.bench import accounting
from tests.bench.city import DOCTORS, City
from tests.bench.loads import CLIENTS
from tests.bench.platform import Platform
from tests.bench.statements import Statement, recorded, script
from yuzhen.embedded import postgres_program

TPS = re.compile(r"tps = ([0-9.]+) \(without")
APART = 1_000_000_000
COPIES = """
with n as (select ($2::bigint + client * 1000000 + i)::text as id, i from generate_series(0, $3::int - 1) client,
  generate_series(1, $4::int) i),
 places as (insert into appointments.slot (id, schedule, starts_at, ends_at, visit, capacity)
  select n.id, ($5::text[])[1 + n.i % $6::int], s.starts_at, s.ends_at, s.visit, s.capacity
  from n, appointments.slot s where s.id = $1),
 shown as (insert into record.slot (type, id, version, updated_at, deleted, patient, keys, present, lo, hi, body)
  select type, n.id, version, updated_at, deleted, patient, keys, present, lo, hi, body
  from n, record.slot s where s.id = $1)
insert into record.timeline (key, lo, id, type) select t.key, t.lo, n.id, t.type
from n, record.timeline t join record.slot s on s.id = t.id and t.key = any(s.keys) and t.lo = s.lo
where t.id = $1 and t.type = 'Slot'
"""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Bookings a second without the platform, PostgreSQL's CPU for each (ms), and statements in each."""

    rates: list[float]
    cpu: list[float]
    statements: list[Statement]


async def ceiling(platform: Platform, city: City, *, each: int, repeat: int, folder: Path) -> Ceiling:
    """Run pgbench with the platform's role, as many clients, and so many bookings for each of them."""
    statements, text, copied = await _script(city)
    file = folder / "book.pgbench"
    file.write_text(text)
    rates, cpu = [], []
    for n in range(repeat + 1):
        base = (n + 1) * APART
        await _open_copies(platform, city, copied, base=base, each=each)
        rate, used = await _pgbench(platform, file, base=base, each=each)
        if n:  # the first run only warms
            rates.append(rate)
            cpu.append(used)
    return Ceiling(rates, cpu, statements)


async def _script(city: City) -> tuple[list[Statement], str, str]:
    """Three bookings recorded: two with the first doctor, one with the second; and a slot left to copy."""
    near, far, also_near, _, spare, first_of_all = await city.open_times(6, doctors=2)
    database = Database(city.settings.database_url("appointments"), room="appointments", size=1)
    one, two = city.patients[:2]
    # The driver's own questions about types are asked once, by the first booking of a connection.
    await recorded(database, one, first_of_all)
    first = await recorded(database, one, near)
    second = await recorded(database, two, also_near)
    third = await recorded(database, one, far)
    await database.close()
    return first, script(first, second, third), spare


async def _open_copies(platform: Platform, city: City, slot: str, *, base: int, each: int) -> None:
    schedules = [city.schedule(n) for n in range(DOCTORS)]
    async with platform.admin() as admin:
        await admin.execute(COPIES, slot, base, CLIENTS, each, schedules, DOCTORS, timeout=120)
        await admin.execute("checkpoint", timeout=120)


async def _pgbench(platform: Platform, file: Path, *, base: int, each: int) -> tuple[float, float]:
    settings, pids = platform.settings, platform.pids()
    place = ("-h", str(settings.runtime / "pg"), "-U", "appointments")
    how = ("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-t", str(each))
    what = ("-f", str(file), "-D", "n=0", "-D", f"base={base}", "yuzhen")
    made, reaped = await _bookings(platform), accounting.reaped(pids["postgres"])
    process = await asyncio.create_subprocess_exec(
        *(str(postgres_program("pgbench")), *place, *how, *what),
        env={**os.environ, "PGPASSWORD": settings.secret("db-appointments")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate()
    found = TPS.search(said.decode())
    if process.returncode or found is None:
        raise CeilingFailed(wrong.decode()[-800:])
    await asyncio.sleep(0.5)
    used = accounting.reaped(pids["postgres"]) - reaped
    made = await _bookings(platform) - made
    if made != CLIENTS * each:
        raise CeilingFailed(f"{made} bookings of {CLIENTS * each}")
    return float(found[1]), used / made * 1000


async def _bookings(platform: Platform) -> int:
    async with platform.admin() as admin:
        return int(await admin.fetchval("select count(*) from appointments.booking"))


class CeilingFailed(Exception):
    """pgbench did not make the bookings it was asked to make."""
