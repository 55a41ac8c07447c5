"""What is only ever added to: who vouched for what stays as it was said."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.rest import fhir_routes
from tests.support.record import RoomDoor, account, door_of

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("doctor", Role.PRACTITIONER, fhir_user="Practitioner/d", clinics=("HealthcareService/x",)),
]


@pytest.fixture
async def door(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as opened:
        yield opened


def vouching(**more: Any) -> dict[str, Any]:
    """A system's word about an observation."""
    return {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/vouched"}],
        "recorded": "2026-11-25T08:00:00Z",
        "agent": [{"who": {"reference": "Organization/source"}}],
        **more,
    }


async def test_a_system_adds_a_provenance_and_nobody_changes_it(door: RoomDoor) -> None:
    """Entered by POST or under an id of its own, then refused every change with a word about what to do instead."""
    made = await door.ask("POST", "/fhir/Provenance", by="system", body=vouching())
    own = await door.ask("PUT", "/fhir/Provenance/vouched-1", by="system", body=vouching(id="vouched-1"))
    assert (made.status, own.status) == (201, 201)
    place = "/fhir/Provenance/vouched-1"
    patch: dict[str, Any] = {
        "body": {"recorded": "2026-11-26T08:00:00Z"},
        "content_type": "application/merge-patch+json",
    }
    answers = [
        await door.ask("PUT", place, by="system", body=vouching(id="vouched-1")),
        await door.ask("PATCH", place, by="system", **patch),
        await door.ask("DELETE", place, by="system"),
        await door.ask("DELETE", "/fhir/Provenance?target=Observation/vouched", by="system"),
    ]
    assert [(answer.status, answer.codes) for answer in answers] == [(405, ["write-not-offered"])] * 4
    assert (await door.ask("GET", place, by="system")).json["meta"]["versionId"] == "1"


async def test_only_systems_add_a_provenance_of_their_own(door: RoomDoor) -> None:
    """A practitioner's signature is made by the hospital, never posted."""
    refused = await door.ask("POST", "/fhir/Provenance", by="doctor", body=vouching())
    assert (refused.status, refused.codes) == (403, ["forbidden"])
