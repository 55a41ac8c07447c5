"""Conditional interactions, asked as a client asks, and the races they must survive."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.rest import fhir_routes
from tests.support.record import RoomDoor, account, door_of

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("admin", Role.ADMIN),
    account("eve", Role.PATIENT, fhir_user="Patient/eve"),
    account("doctor", Role.PRACTITIONER, fhir_user="Practitioner/d", clinics=("HealthcareService/conditional",)),
]
MRN = "https://hospital.example/conditional"


@pytest.fixture
async def door(record: Settings) -> AsyncIterator[RoomDoor]:
    """The appointments room with plain writes."""
    async with door_of("appointments", record, routers=fhir_routes("appointments"), accounts=ACCOUNTS) as opened:
        yield opened


def hospital(number: str, name: str = "渝中医院", **more: Any) -> dict[str, Any]:
    """An organization with a number of its own."""
    return {
        "resourceType": "Organization",
        "identifier": [{"system": MRN, "value": number}],
        "name": name,
        "active": True,
        **more,
    }


async def count(door: RoomDoor, number: str) -> int:
    """How many organizations have this number."""
    found = await door.ask("GET", f"/fhir/Organization?identifier={MRN}|{number}&_total=accurate", by="admin")
    return int(found.json["total"])


async def test_a_conditional_create_finds_the_one_that_is_there(door: RoomDoor) -> None:
    """The first If-None-Exist creates, the second is answered with what the first made, several matches stop it."""
    wanted = {"by": "admin", "if_none_exist": f"identifier={MRN}|create"}
    first = await door.ask("POST", "/fhir/Organization", body=hospital("create"), **wanted)
    again = await door.ask("POST", "/fhir/Organization", body=hospital("create", "another"), **wanted)
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert again.headers["location"] == first.headers["location"]
    await door.ask("POST", "/fhir/Organization", body=hospital("create"), by="admin")
    several = await door.ask("POST", "/fhir/Organization", body=hospital("create"), **wanted)
    assert (several.status, several.codes) == (412, ["multiple-matches"])
    assert await count(door, "create") == 2


@pytest.mark.parametrize("spelt", ["identifier={0}|{1}", "identifier={1}", "?identifier={0}|{1}"])
async def test_one_of_many_equal_creates_wins(door: RoomDoor, spelt: str) -> None:
    """Sixteen connections with one If-None-Exist make one resource, round after round, however they spell it."""
    for round_ in range(20 if spelt.startswith("identifier={0}") else 3):
        number = f"race-{len(spelt)}-{round_}"
        wanted = [spelt.format(MRN, number), f"identifier={MRN}|{number}"]
        answers = await asyncio.gather(
            *(
                door.ask(
                    "POST", "/fhir/Organization", by="admin", body=hospital(number), if_none_exist=wanted[caller % 2]
                )
                for caller in range(16)
            )
        )
        assert sorted(answer.status for answer in answers) == [200] * 15 + [201]
        assert len({answer.json["id"] for answer in answers}) == 1
