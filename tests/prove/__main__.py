"""The long proofs, asked and measured side by side: `python -m tests.prove`, what `make prove` runs.

A part of them with `make prove ARGS="record-races flat"`; their names stand at the end of this file.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from tests.bench.city import city
from tests.bench.flatness import Flat, compared, grow, measured
from tests.bench.platform import Platform as RunningBench
from tests.bench.platform import running_platform as running_bench
from tests.bench.race import race
from tests.journeys import days, network
from tests.journeys.faults import PARTS, Fault, disturbed, flushing, killing, lost
from tests.prove import made_up, record_plans, record_races
from tests.support.platform import Platform, Wish, later, running_platform

CHANCE = random.Random(20261125)  # noqa: S311 - moments of a fault, the same in each run
IN_A_ROW = 18
"""The clinic that never closes has 18 times an hour."""
SIZES = (10_000, 1_000_000)
"""Resources in the small record and in the large one."""
Line = tuple[str, str, str, bool]
"""What is proven, what is asked, what was measured, and whether it holds."""


def main(chosen: Sequence[str]) -> int:
    """Print every line, or those of the chosen proofs; 1 when one does not hold."""
    print("| proof | asked | measured | holds |\n| --- | --- | --- | --- |", flush=True)
    sound = True
    for prove in (PROOFS[name] for name in chosen or PROOFS):
        for what, asked, shown, holds in prove():
            sound = sound and holds
            print(f"| {what} | {asked} | {shown} | {'yes' if holds else '**no**'} |", flush=True)
    return 0 if sound else 1


def _starts() -> Iterator[Line]:
    """A warm start, and the visit's length."""
    with tempfile.TemporaryDirectory(prefix="yz-") as folder:
        with running_platform(state=Path(folder)):
            pass
        with running_platform(state=Path(folder)) as platform:
            yield "warm start to ready", "15 s", f"{platform.ready_after:.1f} s", platform.ready_after <= 15
            for visit in ("first visit", "second visit"):
                seconds, passed, ending = _played(platform)
                yield visit, "exit 0 in 60 s", f"{ending} in {seconds:.1f} s", passed and seconds <= 60


def _days() -> Iterator[Line]:
    """Odd days, an old state folder, other networks."""
    wishes = {
        "at 03:00": Wish(offset=days.at_three()),
        "on a Sunday": Wish(offset=days.on_a_sunday()),
        "on 29 February": Wish(offset=days.on_29_february()),
        "media on 127.0.0.1 by name": Wish(media_address="127.0.0.1"),
    }
    for name, wish in wishes.items():
        with running_platform(wish) as platform:
            yield _visit(name, platform)
    with tempfile.TemporaryDirectory(prefix="yz-") as folder:
        with running_platform(state=Path(folder)):
            pass
        with running_platform(later(Wish(), days=30), state=Path(folder)) as platform:
            yield _visit("on a state folder 30 days old", platform)
    if reason := network.lacking():
        yield "media with 127.0.0.1 alone, and over a wire", "exit 0", f"not tried: {reason}", False
        return
    with ExitStack() as stack:
        inside = stack.enter_context(network.loopback_alone())
        wish = Wish(inside=inside, demo_inside=inside)
        yield _visit("media with 127.0.0.1 alone", stack.enter_context(running_platform(wish)))
    with ExitStack() as stack:
        here, there = stack.enter_context(network.wire())
        wish = Wish(host=network.HERE, media_address=network.HERE, inside=here, demo_inside=there)
        yield _visit("media over a wire from another machine", stack.enter_context(running_platform(wish)))


def _row() -> Iterator[Line]:
    """Visits until nearly every time of the coming hour is taken: what is listed grows, and is still found."""
    with running_platform() as platform:
        played = [platform.demo().returncode for _ in range(IN_A_ROW)]
    passed = sum(code == 0 for code in played)
    yield "visits in a row on one folder", f"exit 0 {IN_A_ROW} times", f"{passed} passed", passed == IN_A_ROW


def _faults() -> Iterator[Line]:
    """Each part killed, and Valkey emptied, at a moment of chance."""
    faults: dict[str, Fault] = {f"kill -9 of {part}": killing(part) for part in PARTS}
    for name, fault in {**faults, "Valkey emptied": flushing}.items():
        with running_platform() as platform:
            step = CHANCE.randint(2, 13)
            visit = disturbed(platform, fault, after_step=step, pause=CHANCE.uniform(0, 0.4))
            missing = lost(platform, visit)
            _, passed, ending = _played(platform)
            measured = f"after step {step} (that visit: {visit.ending}): {len(missing)} lost; next visit {ending}"
            yield name, "0 acknowledged lost, next visit exit 0", measured, passed and not missing


def _races() -> Iterator[Line]:
    """Sixteen callers through the gateway."""
    with running_bench() as platform:
        people = city(platform.settings)
        for what, rounds, places in (("16 callers, 1 free time", 100, 1), ("16 callers, 16 free times", 10, 16)):
            done = uvloop.run(race(platform, people, rounds=rounds, places=places))
            asked = f"{places} x 201 in each of {rounds} rounds, else 409 slot-taken, no deadlock"
            measured = f"{dict(done.answers)}, {done.odd_rounds} odd rounds, {done.deadlocks} deadlocks"
            yield what, asked, measured, done.sound


def _record_races() -> Iterator[Line]:
    """Sixteen clients at one resource."""
    with running_bench() as platform:
        for what, raced in uvloop.run(record_races.races(platform, city(platform.settings))).items():
            yield what, "each made once, no change lost", str(raced), not raced.faults


def _flat() -> Iterator[Line]:
    """Ten thousand resources beside a million."""
    with running_bench() as platform:
        for line in uvloop.run(_towns(platform)):
            figures = f"{line.small:.2f} ms and {line.large:.2f} ms: {line.ratio:.2f} times"
            yield f"{line.load.name}, CPU at {SIZES[0]:,} and {SIZES[1]:,}", "1.5 times at most", figures, line.holds


async def _towns(platform: RunningBench) -> list[Flat]:
    people, runs = city(platform.settings), []
    for size in SIZES:
        await grow(platform, people, size)
        runs.append(await measured(platform, people, seconds=2, repeat=3, told=lambda load, done: None))
    return list(compared(*runs))


def _plans() -> Iterator[Line]:
    """Searches at 200,000 rows."""
    code = record_plans.main()
    yield "each kind of search keeps its index", "at 200,000 rows", f"exit {code}", code == 0


def _visit(name: str, platform: Platform) -> Line:
    seconds, passed, ending = _played(platform)
    return f"a visit {name}", "exit 0", f"{ending} in {seconds:.1f} s", passed


def _played(platform: Platform) -> tuple[float, bool, str]:
    started = time.monotonic()
    played = platform.demo()
    return time.monotonic() - started, played.returncode == 0, f"exit {played.returncode}"


PROOFS: Mapping[str, Callable[[], Iterator[Line]]] = {
    "starts": _starts,
    "days": _days,
    "row": _row,
    "faults": _faults,
    "races": _races,
    "record-races": _record_races,
    "flat": _flat,
    "plans": _plans,
    "made-up": made_up.lines,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
