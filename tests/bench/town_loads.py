"""What an integrator asks of a filled record: reads, each kind of search, creates, updates, and all of them mixed."""

import random
from collections.abc import Callable, Iterator
from itertools import count, cycle
from urllib.parse import quote

import orjson

from tests.bench.city import City
from tests.bench.loads import CLIENTS, Load
from tests.bench.town import FIRST, KINDS, SLOTS_EACH, Town, code, measured_patient, name, reading_of
from tests.bench.wire import request

Asking = Callable[[Town, random.Random], str]
"""An address to ask next."""
READ, SEARCH, CREATE = 0.9, 1.5, 1.8
"""Milliseconds of CPU promised for each; an update is held to what a create is."""
SINCE = FIRST.strftime("%Y-%m-%d")
MIXTURE = ("read",) * 12 + ("search",) * 5 + ("create",) * 2 + ("update",)
"""Of twenty requests."""


def _get(asking: Asking) -> Callable[[City, int], Iterator[bytes]]:
    def requests(city: City, client: int) -> Iterator[bytes]:
        chance, token = random.Random(client), city.token(city.system)  # noqa: S311 - which resource is asked for
        while True:
            yield request("GET", f"/fhir/{asking(city.town, chance)}", token=token)

    return requests


def _any(type_: str) -> Asking:
    return lambda town, chance: f"{type_}/town-{chance.randrange(town.count(type_))}"


def _free_slots(town: Town, chance: random.Random) -> str:
    doctor = chance.randrange(max(1, town.count("Slot") // SLOTS_EACH))
    return f"Slot?schedule=Schedule/town-{doctor}&status=free&start=ge{SINCE}&_count=50"


def _visits(town: Town, chance: random.Random) -> str:
    return f"Appointment?practitioner=Practitioner/town-{chance.randrange(town.doctors)}&date=ge{SINCE}&_count=50"


def _readings(town: Town, chance: random.Random) -> str:
    n = chance.randrange(town.measured)
    return f"Observation?patient={measured_patient(n)}&code={quote('http://loinc.org|' + code(n, 0))}"


def _named(town: Town, chance: random.Random) -> str:
    return f"Patient?name={quote(name(chance.randrange(town.count('Patient'))))}"


def _identified(town: Town, chance: random.Random) -> str:
    return f"Patient?identifier={quote('urn:town:card|')}card-{chance.randrange(town.count('Patient')):07d}"


def _coded(_: Town, chance: random.Random) -> str:
    return f"Observation?code={quote('http://loinc.org|' + code(chance.randrange(100), 0))}&_count=50"


def _chained(town: Town, chance: random.Random) -> str:
    return f"Appointment?patient.name={quote(name(chance.randrange(town.count('Patient'))))}"


def _including(town: Town, chance: random.Random) -> str:
    return f"{_visits(town, chance).replace('_count=50', '_count=20')}&_include=Appointment:patient"


def _create(city: City, client: int) -> Iterator[bytes]:
    token, chance = city.token(city.system), random.Random(client)  # noqa: S311 - which patient is measured
    for reading in count():
        n = chance.randrange(city.town.measured)
        body = orjson.dumps(reading_of(measured_patient(n), code(n, 0), reading % 40))
        yield request("POST", "/fhir/Observation", token=token, body=body)


def _update(city: City, client: int) -> Iterator[bytes]:
    """Each client changes observations of its own."""
    token, kind = city.token(city.system), next(one for one in KINDS if one.type == "Observation")
    for n, turn in zip(cycle(range(client, city.town.count("Observation"), CLIENTS)), count(1)):
        id_, body = kind.made(n)
        changed = body.replace(b'"final"', b'"amended"' if turn % 2 else b'"corrected"')
        yield request("PUT", f"/fhir/Observation/{id_}", token=token, body=changed)


def _search(name_: str, room: str, asking: Asking) -> Load:
    return Load(name_, (room,), _get(asking), (200,), SEARCH)


READS = (
    Load("read Patient", ("patients",), _get(_any("Patient")), (200,), READ),
    Load("read Observation", ("patients",), _get(_any("Observation")), (200,), READ),
    Load("read Appointment", ("appointments",), _get(_any("Appointment")), (200,), READ),
)
SEARCHES = (
    _search("Slot by schedule, status, start (50)", "appointments", _free_slots),
    _search("Appointment by practitioner, date (50)", "appointments", _visits),
    _search("Observation by patient, code", "patients", _readings),
    _search("Patient by name", "patients", _named),
    _search("Patient by identifier", "patients", _identified),
    _search("Observation by code alone (50)", "patients", _coded),
    _search("Appointment by patient.name", "appointments", _chained),
    _search("Appointment (20) with _include", "appointments", _including),
)
CHANGES = (
    Load("create Observation", ("patients",), _create, (201,), CREATE),
    Load("update Observation", ("patients",), _update, (200,), CREATE),
)


def _mixture(city: City, client: int) -> Iterator[bytes]:
    """60 % reads, 25 % searches, 10 % creates, 5 % updates, in a fixed order that differs between clients."""
    order = list(MIXTURE)
    random.Random(client).shuffle(order)  # noqa: S311 - an order
    asked = {
        "read": _by_turns(READS, city, client),
        "search": _by_turns(SEARCHES, city, client),
        "create": _create(city, client),
        "update": _update(city, client),
    }
    return (next(asked[kind]) for kind in cycle(order))


def _by_turns(loads: tuple[Load, ...], city: City, client: int) -> Iterator[bytes]:
    return (next(one) for one in cycle([load.requests(city, client) for load in loads]))


MIXED = Load(
    "mixed: 60 % read, 25 % search, 10 % create, 5 % update", ("patients", "appointments"), _mixture, (200, 201), 0
)
TOWN_LOADS = (*READS, *SEARCHES, *CHANGES)
