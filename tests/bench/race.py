"""Sixteen at once: on one free time exactly one wins, on sixteen free times of one doctor all do."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import orjson

from kernel.clock import SystemClock
from kernel.ids import RandomIds
from tests.bench.city import City
from tests.bench.loads import CLIENTS, booking
from tests.bench.platform import Platform
from tests.bench.wire import Answer, Wire, connect

DEADLOCKS = "select coalesce(sum(deadlocks), 0) from pg_stat_database"
BOOKED_TWICE = "select count(*) from (select slot from appointments.booking group by slot having count(*) > 1) twice"
NOTICED_WITHIN = 1.5


@dataclass(slots=True)
class Race:
    """How the rounds of a race went."""

    rounds: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    odd_rounds: int = 0
    """Rounds with another number of winners than there were places."""
    deadlocks: int = 0
    booked_twice: int = 0

    @property
    def sound(self) -> bool:
        """Nothing happened that must not."""
        unexpected = set(self.answers) - {"201", "409 slot-taken"}
        return not (unexpected or self.odd_rounds or self.deadlocks or self.booked_twice)


async def race(platform: Platform, city: City, *, rounds: int, places: int) -> Race:
    """Sixteen callers on `places` free times (1 or 16) of one doctor, all at once, again and again."""
    done = Race()
    slots = await city.open_times(rounds * places, doctors=1)
    wires = [await connect(platform.settings.port) for _ in range(CLIENTS)]
    async with platform.admin() as admin:
        before = await admin.fetchval(DEADLOCKS)
        for n in range(rounds):
            await _round(city, wires, slots[n * places : (n + 1) * places], done)
        # A backend tells its counters to the statistics a moment after its transaction.
        await asyncio.sleep(NOTICED_WITHIN)
        done.deadlocks = int(await admin.fetchval(DEADLOCKS) - before)
        done.booked_twice = int(await admin.fetchval(BOOKED_TWICE))
    for wire in wires:
        wire.close()
    return done


async def _round(city: City, wires: list[Wire], slots: list[str], done: Race) -> None:
    ids = RandomIds(SystemClock())
    asked = [
        booking(city, slots[n % len(slots)], who.account, who.fhir_user, key=ids.new())
        for n, who in zip(range(CLIENTS), city.patients, strict=False)
    ]
    answers = await asyncio.gather(*(wire.ask(one) for wire, one in zip(wires, asked, strict=True)))
    words = Counter(_word(answer) for answer in answers)
    done.rounds += 1
    done.answers += words
    done.odd_rounds += words["201"] != len(slots)


def _word(answer: Answer) -> str:
    if answer.status < 400:
        return str(answer.status)
    code = orjson.loads(answer.body)["issue"][0]["details"]["coding"][0]["code"]
    return f"{answer.status} {code}"
