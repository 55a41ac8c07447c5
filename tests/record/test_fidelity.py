"""What a client gives is what every client gets back, digit by digit: HL7's examples through the real routes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.database import Database
from kernel.settings import Settings
from record.ownership import KEPT_APART, rooms, types
from record.rest import fhir_routes
from record.write import create
from tests.record.official import sound_examples, type_of
from tests.support.record import RoomDoor, account, door_of, migrated_record

PAGE = 50
AT_ONCE = 6


class Number(str):
    """A number as it was written."""


def read(body: bytes) -> Any:
    """JSON whose numbers keep their text, and whose names keep their order."""
    return json.loads(body, parse_float=Number, parse_int=Number)


def own(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without what the record gives it: id, version and instant."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in {"versionId", "lastUpdated"}}
    return {name: value for name, value in resource.items() if name not in {"id", "meta"}} | (
        {"meta": meta} if meta else {}
    )


@pytest.fixture(scope="module")
def record() -> Iterator[Settings]:
    """A record of its own: other tests count what is in theirs."""
    with migrated_record() as settings:
        yield settings


@pytest.fixture
async def doors(record: Settings) -> AsyncIterator[dict[str, RoomDoor]]:
    """Type -> the door of its room, with plain writes, so that what is asked is the record itself."""
    accounts = [account("importer", Role.SYSTEM)]
    async with AsyncExitStack() as opened:
        entered = {
            room: await opened.enter_async_context(door_of(room, record, routers=fhir_routes(room), accounts=accounts))
            for room in rooms()
        }
        yield {type_: entered[rules.owner] for type_, rules in types().items()}


def test_numbers_keep_their_text() -> None:
    """The comparison below sees what a float would lose."""
    assert read(b'{"value":1.50}') != read(b'{"value":1.5}')
    assert read(b'{"value":1e2}') != read(b'{"value":100}')
    assert any(b"0.000" in body or b"e-" in body for body in sound_examples().values())


async def test_every_example_comes_back_as_it_went_in(doors: dict[str, RoomDoor], patients: Database) -> None:
    """Created, read, read by version, found by a search: equal but for id and meta, decimals letter by letter."""
    bodies = {name: body for name, body in sound_examples().items() if type_of(body) not in KEPT_APART}
    turns = asyncio.Semaphore(AT_ONCE)

    async def goes_round(name: str, body: bytes) -> tuple[str, Any]:
        async with turns:
            place = await _entered(doors[type_of(body)], patients, name, body)
            for path in (place, f"{place}/_history/1"):
                answer = await doors[type_of(body)].ask("GET", path, by="importer")
                assert own(read(answer.body)) == own(read(body)), (name, path)
            return place, own(read(body))

    made = dict(await asyncio.gather(*(goes_round(name, body) for name, body in bodies.items())))
    for type_ in {place.split("/")[2] for place in made}:
        mine = [place.split("/")[3] for place in made if place.split("/")[2] == type_]
        for id_, resource in (await _found(doors[type_], type_, mine)).items():
            assert own(resource) == made.pop(f"/fhir/{type_}/{id_}"), (type_, id_)
    assert made == {}


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","name":[{"given":["Ai",null],"_given":[null,{"extension":[{"url":"u","valueCode":"unknown"}]}]}]}',
        b'{ "resourceType" : "Patient",\n"name":[{"text":"\\u6e1d\\/\\ud83d\\ude00 \\"id\\":1"}],"birthDate":"1970" }',
        b'{"active":true,"_active":{"id":"a"},"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueCode":"x"}]}}',
        b'{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"id","meta":{"profile":["p"]}}],'
        b'"link":[{"other":{"reference":"#id"},"type":"seealso"}],"meta":{"tag":[{"code":"t"}],"versionId":"9"},"id":"x"}',
        b'{"resourceType":"Patient","multipleBirthInteger":0,"extension":[{"url":"u","valueDecimal":-0.0},'
        b'{"url":"u","valueDecimal":1.500E+2},{"url":"u","valueDecimal":12345678901234567890.123456789012345678901234567890}]}',
    ],
)
async def test_odd_spellings_come_back_as_they_went_in(doors: dict[str, RoomDoor], body: bytes) -> None:
    """Nulls in step with extensions, escapes, spaces, inner ids and metas, and long decimals survive every way back."""
    made = await doors["Patient"].ask("POST", "/fhir/Patient", by="importer", body=body)
    assert made.status == 201, made.body
    place = f"/fhir/Patient/{made.json['id']}"
    for path in (place, f"{place}/_history/1"):
        answer = await doors["Patient"].ask("GET", path, by="importer")
        assert own(read(answer.body)) == own(read(body))
    found = await _found(doors["Patient"], "Patient", [made.json["id"]])
    assert own(found[made.json["id"]]) == own(read(body))


async def _entered(door: RoomDoor, database: Database, name: str, body: bytes) -> str:
    """The place of a new resource; what nobody may create by request is entered as the rooms themselves do it."""
    type_ = type_of(body)
    if types()[type_].writers:
        created = await door.ask("POST", f"/fhir/{type_}", by="importer", body=body)
        assert created.status == 201, (name, created.body)
        return f"/fhir/{type_}/{created.json['id']}"
    async with database.transaction() as tx:
        stored = await create(tx, body, id=f"fidelity-{name[:40]}", now=datetime(2026, 11, 25, tzinfo=UTC))
    return f"/fhir/{stored.reference}"


async def _found(door: RoomDoor, type_: str, ids: list[str]) -> dict[str, Any]:
    """The resources of a type by a search for their ids, page by page."""
    found: dict[str, Any] = {}
    for first in range(0, len(ids), PAGE):
        some = ",".join(ids[first : first + PAGE])
        answer = await door.ask("GET", f"/fhir/{type_}?_id={some}&_count={PAGE}", by="importer")
        assert answer.status == 200, answer.body
        found |= {entry["resource"]["id"]: entry["resource"] for entry in read(answer.body)["entry"]}
    return found
