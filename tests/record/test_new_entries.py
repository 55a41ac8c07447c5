"""Tests of transactions that put many new resources of a system: entered together, and like each alone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.settings import Settings
from record.rest import fhir_routes
from tests.record.bundles import ACCOUNTS, basic, fresh, observation, patient, places, put, statuses, transact
from tests.support.postgres import database_of
from tests.support.record import Answer, RoomDoor, door_of

NEW = {"ifNoneMatch": "*"}


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


def history(name: str) -> list[dict[str, Any]]:
    """A patient and resources of four types, one of them another room's finished history."""
    about = {"subject": {"reference": f"Patient/{name}"}}
    return [
        {**patient(), "id": name},
        {**observation(f"Patient/{name}"), "id": name, "code": {"coding": [{"system": "urn:s", "code": name}]}},
        {**basic(f"Patient/{name}"), "id": name},
        {"resourceType": "Encounter", "id": name, "status": "finished", "class": {"code": "AMB"}, **about},
    ]


async def get(door: RoomDoor, path: str) -> Answer:
    """A read or search by the system."""
    return await door.ask("GET", f"/fhir/{path}", by="system")


async def test_they_are_like_each_alone(patients: RoomDoor, record: Settings) -> None:
    """Each is version 1 under its own id, found by its values, in its patient's compartment, and audited."""
    name, other = fresh(), fresh()
    answer = await transact(patients, *(put(one, **NEW) for one in history(name)), x_request_id=name)
    alone = await patients.ask(
        "PUT", f"/fhir/Basic/{other}", by="system", body={**basic(f"Patient/{name}"), "id": other}
    )
    assert statuses(answer) == ["201"] * 4
    entry = answer.json["entry"][2]
    assert entry["resource"].keys() == alone.json.keys()
    assert entry["response"]["location"].endswith(f"Basic/{name}/_history/1")
    assert (await get(patients, f"Basic/{name}")).headers["etag"] == alone.headers["etag"] == 'W/"1"'
    found = (await get(patients, f"Observation?code=urn:s|{name}&patient=Patient/{name}")).json["entry"]
    assert [one["resource"]["id"] for one in found] == [name]
    async with database_of("patients", record) as database, database.reading() as tx:
        rows = await tx.raw.fetch(
            "select entity, action, interaction, patient from record.audit where request = $1", name
        )
    assert {tuple(row) for row in rows} == {
        (f"{type_}/{name}", "C", "create", name) for type_ in ("Patient", "Observation", "Basic", "Encounter")
    }


async def test_what_is_there_is_named_and_nothing_is_entered(patients: RoomDoor) -> None:
    """One that is there already, or was deleted, undoes all; the refusal names its entry."""
    name, there, gone = fresh(), fresh(), fresh()
    for id_ in (there, gone):
        await patients.ask("PUT", f"/fhir/Basic/{id_}", by="system", body={**basic("Patient/x"), "id": id_})
    await patients.ask("DELETE", f"/fhir/Basic/{gone}", by="system")
    for id_, status, code in ((there, 412, "exists-already"), (gone, 410, "resource-deleted")):
        entries = [*history(name), {**basic("Patient/x"), "id": id_}]
        answer = await transact(patients, *(put(one, **NEW) for one in entries))
        assert (answer.status, answer.codes, places(answer)) == (status, [code], ["Bundle.entry[4]"])
    assert (await get(patients, f"Observation/{name}")).status == 404


async def test_faulty_ones_are_named(patients: RoomDoor) -> None:
    """A resource that is not sound, or has another id than its address, is named by its place."""
    good, name = {**basic("Patient/x"), "id": fresh()}, fresh()
    faulty = {**observation("Patient/x"), "id": name, "status": "taken"}
    moved = put({**basic("Patient/x"), "id": fresh()}, f"Basic/{name}", **NEW)
    answer = await transact(patients, put(good, **NEW), put(faulty, **NEW))
    assert (answer.status, places(answer)) == (400, ["Bundle.entry[1].resource.status"])
    assert places(await transact(patients, put(good, **NEW), moved)) == ["Bundle.entry[1].resource.id"]
    assert (await get(patients, f"Basic/{good['id']}")).status == 404


async def test_others_may_not_bring_ids(patients: RoomDoor) -> None:
    """A patient's transaction gives no ids of its own, whatever it says about what is there."""
    answer = await transact(patients, put({**basic("Patient/tove"), "id": fresh()}, **NEW), by="tove")
    assert answer.status in {403, 405}


async def test_twins_make_one(patients: RoomDoor) -> None:
    """Of sixteen equal loads at once one enters everything; the others are told that it is there."""
    entries = [put(one, **NEW) for one in history(fresh())]
    answers = await asyncio.gather(*(transact(patients, *entries) for _ in range(16)))
    assert sorted({answer.status for answer in answers}) in ([200, 409], [200, 409, 412], [200, 412])
    assert [answer.status for answer in answers].count(200) == 1
    assert {code for answer in answers if answer.status != 200 for code in answer.codes} <= {
        *("id-taken", "exists-already", "crossed")
    }
