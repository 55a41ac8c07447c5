"""How fast the platform is, as tables: `python -m tests.bench`, what `make bench` runs (README.md says how to read)."""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.bench import report
from tests.bench.ceiling import ceiling
from tests.bench.city import City, city
from tests.bench.flatness import compared, grow, measured
from tests.bench.loads import BOOK, LOADS, Load, Run, run, warm
from tests.bench.platform import Platform, running_platform
from tests.bench.race import race
from tests.bench.split import split
from tests.bench.town_loads import MIXED, TOWN_LOADS

RATE_AT_MOST = 1200
FSYNCS = 200


def main(given: Sequence[str]) -> int:
    """Run the parts that are asked for; 1 when a race went wrong or the media part failed."""
    options = _options(given)
    print(f"    python -m tests.bench {' '.join(given)}".rstrip())
    sound = True
    if "record" in options.parts:
        with running_platform() as platform:
            sound = uvloop.run(_measured(platform, options))
    if "town" in options.parts:
        with running_platform() as platform:
            uvloop.run(_filled(platform, options))
    if "media" in options.parts and importlib.util.find_spec("tests.bench.rtc.forwarding"):
        print("\n## Media forwarding\n", flush=True)
        media = subprocess.run([sys.executable, "-m", "tests.bench.rtc.forwarding", *options.media], check=False)
        sound &= not media.returncode
    return 0 if sound else 1


def _options(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each load; medians are shown")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of the race for one free time")
    parts = ["record", "town", "media"]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000], help="resources in the town")
    parser.add_argument(
        "--profile", nargs="*", metavar="LOAD", help="split these loads further (part of a name; none: all)"
    )
    parser.add_argument("--media", nargs=argparse.REMAINDER, default=[], help="the rest goes to the media benchmark")
    return parser.parse_args(given)


async def _measured(platform: Platform, options: argparse.Namespace) -> bool:
    people = city(platform.settings)
    await _machine(platform)
    booked_seconds = 1 + options.seconds * (options.repeat + (options.profile is not None))
    people.free = await people.open_times(int(booked_seconds * RATE_AT_MOST))
    runs = {load: await _repeated(platform, people, load, options) for load in LOADS}
    print(report.heading("CPU and time of a request", LOAD_COLUMNS))
    for load in LOADS:
        print(report.load_line(load, runs[load]))
    print(report.heading("Where the CPU goes, ms for each answer", PARTS_COLUMNS))
    for load in LOADS:
        print(report.parts_line(load, runs[load]), flush=True)
    print(report.quiet_or_not(runs.values()), flush=True)
    await _beside_bare(platform, people, runs[BOOK], options)
    sound = await _raced(platform, people, options)
    if options.profile is not None:
        await _profiled(platform, people, options, LOADS)
    return sound


async def _filled(platform: Platform, options: argparse.Namespace) -> None:
    people = city(platform.settings)
    await _machine(platform)
    towns = []
    for size in options.sizes:
        begun = time.perf_counter()
        await grow(platform, people, size)
        print(
            report.heading(
                f"A record of {size:,} resources, filled in {time.perf_counter() - begun:.0f} s", LOAD_COLUMNS
            )
        )
        towns.append(await measured(platform, people, seconds=options.seconds, repeat=options.repeat, told=_tell))
        print(report.quiet_or_not(towns[-1].values()), flush=True)
    print(report.heading("The same requests in the smallest and the largest record", FLAT_COLUMNS))
    for line in compared(towns[0], towns[-1]):
        print(report.flat_line(line), flush=True)
    if options.profile is not None:
        await _profiled(platform, people, options, TOWN_LOADS)


def _tell(load: Load, runs: list[Run]) -> None:
    print(report.mixed_line(load, runs) if load is MIXED else report.load_line(load, runs), flush=True)


FLAT_COLUMNS = "request | CPU of gateway, room and SQL, ms: small | large | ratio (asked: 1.5 at most)"
LOAD_COLUMNS = (
    "request | asked: goal / first landing, ms | gateway + room CPU, ms | of these | its SQL, ms | answers/s "
    "| p50 / p99 ms | wrong"
)
PARTS_COLUMNS = (
    "request | gateway | room | room's SQL | consult with SQL | PostgreSQL's own | Valkey | other rooms | client "
    "| cores used by others"
)


async def _repeated(platform: Platform, people: City, load: Load, options: argparse.Namespace) -> list[Run]:
    await platform.gather_statistics()
    await warm(platform, people, load)
    return [await run(platform, people, load, seconds=options.seconds) for _ in range(options.repeat)]


async def _beside_bare(platform: Platform, people: City, runs: list[Run], options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        each = int(130 * options.seconds)
        bare = await ceiling(platform, people, each=each, repeat=options.repeat, folder=Path(folder))
    print(report.heading("Bookings beside bare PostgreSQL", "what | asked | measured"))
    for line in report.booking_lines(runs, bare):
        print(line, flush=True)


async def _raced(platform: Platform, people: City, options: argparse.Namespace) -> bool:
    print(report.heading("Races", "race | asked | measured | sound"))
    sound = True
    for places, rounds in ((1, options.rounds), (16, max(1, options.rounds // 5))):
        done = await race(platform, people, rounds=rounds, places=places)
        print(report.race_line(places, done), flush=True)
        sound &= done.sound
    return sound


async def _profiled(platform: Platform, people: City, options: argparse.Namespace, loads: Sequence[Load]) -> None:
    for load in loads:
        if not options.profile or any(part in load.name for part in options.profile):
            for line in report.split_tables(await split(platform, people, load, seconds=options.seconds)):
                print(line, flush=True)


async def _machine(platform: Platform) -> None:
    """What the figures stand on: cores, one fsync, and the durability that is on."""
    async with platform.admin() as admin:
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_compression")
        shown = ", ".join([f"{name} {await admin.fetchval(f'show {name}')}" for name in names])
        version = await admin.fetchval("show server_version")
    disk = _fsync(platform.settings.state)
    python = sys.version.split()[0]
    print(f"\n{os.cpu_count()} cores, Python {python}, PostgreSQL {version}: {shown}; one fsync {disk:.2f} ms")


def _fsync(folder: Path) -> float:
    """Milliseconds of one small write that has reached the disk."""
    with (folder / "fsync").open("wb") as file:
        begun = time.perf_counter()
        for _ in range(FSYNCS):
            file.write(b"x" * 8192)
            file.flush()
            os.fsync(file.fileno())
        return (time.perf_counter() - begun) / FSYNCS * 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
