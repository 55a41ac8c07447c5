"""A deleted resource that its sender sends again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.rest import fhir_routes
from tests.support.record import RoomDoor, account, door_of

ACCOUNTS = [account("system", Role.SYSTEM), account("admin", Role.ADMIN)]


@pytest.fixture
async def door(record: Settings) -> AsyncIterator[RoomDoor]:
    """The appointments room with plain writes."""
    async with door_of("appointments", record, routers=fhir_routes("appointments"), accounts=ACCOUNTS) as opened:
        yield opened


def hospital(id_: str, name: str) -> dict[str, Any]:
    """An organization under its sender's id."""
    return {"resourceType": "Organization", "id": id_, "name": name}


async def deleted(door: RoomDoor, id_: str) -> str:
    """The address of an organization that was entered and deleted."""
    place = f"/fhir/Organization/{id_}"
    assert (await door.ask("PUT", place, by="system", body=hospital(id_, "渝北"))).status == 201
    assert (await door.ask("DELETE", place, by="system")).status == 204
    return place


async def test_a_system_brings_back_what_it_sends_again(door: RoomDoor) -> None:
    """It is read, found and in its history as the version after the deletion."""
    place = await deleted(door, "back-1")
    again = await door.ask("PUT", place, by="system", body=hospital("back-1", "Yubei New"))
    assert (again.status, again.headers["etag"]) == (201, 'W/"3"')
    assert (await door.ask("GET", place, by="admin")).json["name"] == "Yubei New"
    found = await door.ask("GET", "/fhir/Organization?name=yubei", by="admin")
    assert [entry["resource"]["id"] for entry in found.json["entry"]] == ["back-1"]
    history = (await door.ask("GET", f"{place}/_history", by="admin")).json["entry"]
    assert [entry["request"]["method"] for entry in history] == ["PUT", "DELETE", "POST"]


async def test_others_and_careful_senders_are_told_that_it_is_gone(door: RoomDoor) -> None:
    """An administrator, a sender that only wants to create, and one that knows an older version change nothing."""
    place = await deleted(door, "back-2")
    body = hospital("back-2", "x")
    refused = [
        await door.ask("PUT", place, by="admin", body=body),
        await door.ask("PUT", place, by="system", body=body, if_none_match="*"),
        await door.ask("PUT", place, by="system", body=body, if_match='W/"1"'),
    ]
    assert [answer.status for answer in refused] == [410, 410, 412]
    assert (await door.ask("GET", place, by="admin")).status == 410
