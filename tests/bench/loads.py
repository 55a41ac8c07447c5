"""The loads: what sixteen clients ask, each on a connection of its own, and what the answers cost."""

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from kernel.clock import SystemClock
from kernel.ids import RandomIds
from tests.bench import accounting
from tests.bench.accounting import Spent
from tests.bench.city import City
from tests.bench.platform import Platform
from tests.bench.wire import Answer, Wire, connect, request

CLIENTS = 16
Requests = Callable[[City, int], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request, the rooms that answer it, and what it may cost (milliseconds of gateway and rooms)."""

    name: str
    rooms: tuple[str, ...]
    requests: Requests
    statuses: tuple[int, ...]
    goal: float
    first_landing: float = 0.0

    @property
    def sql(self) -> tuple[str, ...]:
        """The rooms' PostgreSQL backends, as `Run.milliseconds` names them."""
        return tuple(f"{room} sql" for room in self.rooms)


@dataclass(slots=True)
class Run:
    """One run of one load."""

    seconds: float = 0.0
    answers: int = 0
    wrong: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    size: int = 0
    spent: Spent = field(default_factory=Spent)

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.answers / self.seconds

    def milliseconds(self, *parts: str) -> float:
        """CPU of these parts per good answer."""
        return self.spent.of(*parts) / max(1, self.answers) * 1000

    def latency(self, share: float) -> float:
        """A quantile of the time an answer took, in milliseconds."""
        ordered = sorted(self.latencies) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


async def run(platform: Platform, city: City, load: Load, *, seconds: float) -> Run:
    """Ask for so many seconds and count."""
    done = Run()
    wires = [await connect(platform.settings.port) for _ in range(CLIENTS)]
    pids = platform.pids()
    async with platform.admin() as admin:
        before, begun = accounting.look(pids), time.perf_counter()
        asking = (_ask(wire, load, load.requests(city, n), begun + seconds, done) for n, wire in enumerate(wires))
        await asyncio.gather(*asking)
        done.seconds = time.perf_counter() - begun
        done.spent = await accounting.between(before, accounting.look(pids), pids, admin)
    for wire in wires:
        wire.close()
    return done


async def _ask(wire: Wire, load: Load, requests: Iterator[bytes], until: float, done: Run) -> None:
    while (begun := time.perf_counter()) < until:
        answer = await wire.ask(next(requests))
        if answer.status in load.statuses:
            done.answers += 1
            done.latencies.append(time.perf_counter() - begun)
            done.size = len(answer.body)
        else:
            done.wrong[answer.status] += 1


async def warm(platform: Platform, city: City, load: Load) -> Answer:
    """Ask until plans and connections are warm, and show one answer. Raises AssertionError when it is a wrong one."""
    await run(platform, city, load, seconds=1.0)
    wire = await connect(platform.settings.port)
    answer = await wire.ask(next(load.requests(city, 0)))
    wire.close()
    assert answer.status in load.statuses, f"{load.name}: {answer.status} {answer.body[:300]!r}"
    return answer


def median(runs: list[Run], figure: Callable[[Run], float]) -> float:
    """The middle one of the runs, in one figure."""
    return statistics.median(figure(one) for one in runs)


def _own_patient(city: City, client: int) -> Iterator[bytes]:
    mine = city.patients[client]
    return itertools.repeat(request("GET", f"/fhir/{mine.fhir_user}", token=city.token(mine)))


def _practitioner(city: City, client: int) -> Iterator[bytes]:
    by = city.doctors[client]
    for other in itertools.cycle(city.doctors):
        yield request("GET", f"/fhir/{other.fhir_user}", token=city.token(by))


def _free_slots(city: City, client: int) -> Iterator[bytes]:
    token = city.token(city.patients[client])
    for n in itertools.cycle(range(len(city.doctors))):
        since = SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"/fhir/Slot?schedule=Schedule/{city.schedule(n)}&start=ge{since}&_count=50"
        yield request("GET", path, token=token)


def _doctors_visits(city: City, client: int) -> Iterator[bytes]:
    by = city.doctors[client]
    return itertools.repeat(
        request("GET", f"/fhir/Appointment?practitioner={by.fhir_user}&_count=50", token=city.token(by))
    )


def _observation(city: City, client: int) -> Iterator[bytes]:
    token = city.token(city.system)
    for patient in itertools.cycle(city.patients[client::CLIENTS]):
        yield request("POST", "/fhir/Observation", token=token, body=temperature(patient.fhir_user))


def temperature(patient: str) -> bytes:
    """A body temperature as a ward sends it."""
    return orjson.dumps(
        {
            "resourceType": "Observation",
            "status": "final",
            "category": [
                {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                    ]
                }
            ],
            "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5", "display": "Body temperature"}]},
            "subject": {"reference": patient},
            "effectiveDateTime": "2026-11-25T08:30:00+08:00",
            "valueQuantity": {
                "value": 36.6,
                "unit": "Cel",
                "system": "http://unitsofmeasure.org",
                "code": "Cel",
            },
        }
    )


def _booking(city: City, client: int) -> Iterator[bytes]:
    ids = RandomIds(SystemClock())
    for patient in itertools.cycle(city.patients[client::CLIENTS]):
        yield booking(city, city.next_time(), patient.account, patient.fhir_user, key=ids.new())


def booking(city: City, slot: str, account: str, patient: str, *, key: str) -> bytes:
    """A patient's own request for this slot."""
    asked = [
        {"name": "appointment-reference", "valueReference": {"reference": f"Appointment/proposed-{slot}"}},
        {"name": "patient-reference", "valueReference": {"reference": patient}},
    ]
    body = orjson.dumps({"resourceType": "Parameters", "parameter": asked})
    return request("POST", "/fhir/Appointment/$book", token=city.tokens[account], body=body, key=key)


BOOK = Load("$book, 32 doctors", ("appointments",), _booking, (201,), goal=2.5, first_landing=2.5)
LOADS = (
    Load("read own Patient (patient)", ("patients",), _own_patient, (200,), goal=0.9, first_landing=1.14),
    Load("read Practitioner (staff)", ("appointments",), _practitioner, (200,), goal=0.9, first_landing=1.14),
    Load("search 50 Slots (patient)", ("appointments",), _free_slots, (200,), goal=1.5, first_landing=1.88),
    Load("create Observation (system)", ("patients",), _observation, (201,), goal=1.8, first_landing=2.0),
    BOOK,
    Load("search 50 Appointments (staff)", ("appointments",), _doctors_visits, (200,), goal=1.5, first_landing=1.88),
)
"""In this order: the last one finds what the one before it booked."""
