"""Sixteen clients at one resource, through the gateway: nothing made twice, no change lost.

https://hl7.org/fhir/R4/http.html#ccreate and #concurrency. Run it with `python -m tests.prove.record_races`.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop

from tests.bench.city import City, city
from tests.bench.loads import CLIENTS
from tests.bench.platform import Platform, running_platform
from tests.bench.wire import Answer, Wire, connect, request

ROUNDS = 200
TURNS = 25
"""Changes each client makes to the one resource."""
RACES = "urn:races"


@dataclass(slots=True)
class Raced:
    """How a race went: answers by status, and what is wrong in the end."""

    answers: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{dict(sorted(self.answers.items()))}; {len(self.faults)} faults {self.faults[:1] or ''}".strip()


@dataclass(frozen=True, slots=True)
class Field:
    """Where the races are run: sixteen connections of one system."""

    wires: list[Wire]
    token: str
    patient: str

    async def ask(self, n: int, method: str, path: str, body: Any = None, **more: str) -> Answer:
        """One client's request; header names with underscores for hyphens."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        content = orjson.dumps(body) if body is not None else b""
        return await self.wires[n].ask(request(method, path, token=self.token, body=content, more=headers))

    async def found(self, identifier: str) -> int:
        """How many observations have this identifier."""
        answer = await self.ask(0, "GET", f"/fhir/Observation?identifier={RACES}|{identifier}&_total=accurate")
        return int(orjson.loads(answer.body)["total"])

    def observation(self, identifier: str) -> dict[str, Any]:
        """A small resource with an identifier of its own."""
        return {
            "resourceType": "Observation",
            "identifier": [{"system": RACES, "value": identifier}],
            "status": "final",
            "code": {"text": "race"},
            "subject": {"reference": self.patient},
            "valueInteger": 0,
        }


async def conditional_creates(field: Field, rounds: int) -> Raced:
    """Sixteen clients create what shall exist once, all at once."""
    raced = Raced()
    for n in range(rounds):
        name, body = f"create-{n}", field.observation(f"create-{n}")
        asked = (
            field.ask(client, "POST", "/fhir/Observation", body, if_none_exist=f"identifier={RACES}|{name}")
            for client in range(CLIENTS)
        )
        answers = await asyncio.gather(*asked)
        raced.answers.update(answer.status for answer in answers)
        ids = {orjson.loads(answer.body).get("id") for answer in answers}
        made = Counter(answer.status for answer in answers)
        if len(ids) != 1 or made != Counter({201: 1, 200: CLIENTS - 1}) or await field.found(name) != 1:
            raced.faults.append(f"round {n}: {dict(made)}, {len(ids)} ids")
    return raced


async def crossing_transactions(field: Field, rounds: int) -> Raced:
    """Two transactions, at the same moment, each create the same thing if it does not exist, and refer to it."""
    raced = Raced()
    for n in range(rounds):
        name = f"transaction-{n}"
        answers = await asyncio.gather(*(field.ask(client, "POST", "/fhir", _bundle(field, name)) for client in (0, 1)))
        raced.answers.update(answer.status for answer in answers)
        if {answer.status for answer in answers} != {200} or await field.found(name) != 1:
            raced.faults.append(f"round {n}: {[answer.status for answer in answers]}, {await field.found(name)} made")
    return raced


def _bundle(field: Field, name: str) -> dict[str, Any]:
    told = {
        "resourceType": "Observation",
        "hasMember": [{"reference": "urn:uuid:0b1d1b9e-6d3f-4c3e-9a53-0d8f7a0c0001"}],
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:0b1d1b9e-6d3f-4c3e-9a53-0d8f7a0c0001",
                "resource": field.observation(name),
                "request": {"method": "POST", "url": "Observation", "ifNoneExist": f"identifier={RACES}|{name}"},
            },
            {
                "resource": {**field.observation(f"beside-{name}"), **told},
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    }


async def lost_updates(field: Field, turns: int) -> Raced:
    """Sixteen clients count in one resource, each change made on the version it was read from."""
    raced = Raced()
    made = await field.ask(0, "POST", "/fhir/Observation", field.observation("counter"))
    path = f"/fhir/Observation/{orjson.loads(made.body)['id']}"
    await asyncio.gather(*(_count(field, client, path, turns, raced) for client in range(CLIENTS)))
    counted = orjson.loads((await field.ask(0, "GET", path)).body)
    if (counted["valueInteger"], counted["meta"]["versionId"]) != (CLIENTS * turns, str(CLIENTS * turns + 1)):
        raced.faults.append(f"counted to {counted['valueInteger']}, version {counted['meta']['versionId']}")
    return raced


async def _count(field: Field, client: int, path: str, turns: int, raced: Raced) -> None:
    while turns:
        standing = orjson.loads((await field.ask(client, "GET", path)).body)
        standing["valueInteger"] += 1
        answer = await field.ask(client, "PUT", path, standing, if_match=f'W/"{standing["meta"]["versionId"]}"')
        raced.answers[answer.status] += 1
        turns -= answer.status == 200
        if answer.status not in {200, 412}:
            raced.faults.append(f"{answer.status} {answer.body[:200]!r}")
            return


@asynccontextmanager
async def field_of(platform: Platform, people: City) -> AsyncIterator[Field]:
    """The races' connections to a running platform."""
    wires = [await connect(platform.settings.port) for _ in range(CLIENTS)]
    try:
        yield Field(wires, people.token(people.system), people.patients[0].fhir_user)
    finally:
        for wire in wires:
            wire.close()


async def races(platform: Platform, people: City, *, rounds: int = ROUNDS, turns: int = TURNS) -> dict[str, Raced]:
    """Every race, by what it is."""
    async with field_of(platform, people) as field:
        return {
            f"{CLIENTS} clients, one If-None-Exist, {rounds} rounds": await conditional_creates(field, rounds),
            f"two transactions create the same identifier, {rounds} rounds": await crossing_transactions(field, rounds),
            f"{CLIENTS} clients count by If-Match, {turns} times each": await lost_updates(field, turns),
        }


def main() -> int:
    """Print every race; 1 when one has a fault."""
    with running_platform() as platform:
        done = uvloop.run(races(platform, city(platform.settings)))
    for what, raced in done.items():
        print(f"{what}: {raced}")
    return 1 if any(raced.faults for raced in done.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
