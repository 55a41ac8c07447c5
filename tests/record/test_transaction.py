"""Transaction Bundles, sent to a room as the gateway passes them on."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from kernel.settings import Settings
from record.rest import fhir_routes
from tests.record.bundles import (
    ACCOUNTS,
    MRN,
    ask,
    basic,
    fresh,
    patient,
    places,
    post,
    put,
    reference,
    statuses,
    transact,
    transaction,
    urn,
)
from tests.support.postgres import database_of
from tests.support.record import RoomDoor, door_of

BYTES = """{"resourceType":"Basic","code":{"text":"URN"},"subject":{"reference":"URN","display":"URN"},
"identifier":[{"system":"urn:ietf:rfc:3986","value":"URN"}],"text":{"status":"generated",
"div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><a href=\\"URN\\">URN</a><img src='URN' alt='x'/></div>"},
"extension":[{"url":"http://x.example/a","valueUri":"URN"},{"url":"http://x.example/b","valueUrl":"URN"},
{"url":"http://x.example/c","valueCanonical":"URN"},{"url":"http://x.example/d","valueDecimal":1.500e3}]}"""


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


async def read(door: RoomDoor, place: str, *, by: str = "system") -> Any:
    answer = await door.ask("GET", f"/fhir/{place}", by=by)
    assert answer.status == 200, answer.body
    return answer.json


async def count(settings: Settings, type_: str) -> int:
    """How many rows a type has, deleted ones and old versions among them."""
    async with database_of("patients", settings, size=1) as database, database.reading() as tx:
        now = await tx.raw.fetchval(f"select count(*) from record.{type_.lower()}")  # noqa: S608 - a test's own name
        return int(now) + int(await tx.raw.fetchval("select count(*) from record.past where type = $1", type_))


async def test_links_in_a_circle_become_references(patients: RoomDoor) -> None:
    """Two entries that name one another by urn, one of them later in the Bundle, point at one another's new id."""
    first = {**patient(), "link": [{"other": {"reference": urn(2)}, "type": "seealso"}]}
    second = {**patient(), "link": [{"other": {"reference": urn(1)}, "type": "seealso"}]}
    made = await transact(patients, post(first, urn(1)), post(second, urn(2)))
    assert statuses(made) == ["201", "201"]
    one, two = reference(made, 0), reference(made, 1)
    assert (await read(patients, one))["link"][0]["other"]["reference"] == two
    assert (await read(patients, two))["link"][0]["other"]["reference"] == one
    assert made.json["type"] == "transaction-response"
    response = made.json["entry"][0]["response"]
    assert response["etag"] == 'W/"1"'
    assert response["location"].endswith(f"{one}/_history/1")
    assert response["lastModified"].endswith("Z")
    assert made.json["entry"][0]["resource"]["meta"]["versionId"] == "1"


async def test_only_links_are_rewritten_and_decimals_stay(patients: RoomDoor) -> None:
    """A urn in a text or identifier stays, one in a uri, url or narrative is replaced, and 1.500e3 stays 1.500e3."""
    body = BYTES.replace("URN", urn(1))
    raw = orjson.dumps(transaction(post(patient(), urn(1)), post(basic(urn(1)))))
    sent = raw.replace(orjson.dumps(basic(urn(1))), body.encode())
    made = await patients.ask("POST", "/fhir", by="system", body=sent)
    assert statuses(made) == ["201", "201"]
    who = reference(made, 0)
    stored = await patients.ask("GET", f"/fhir/{reference(made, 1)}", by="system")
    assert b'"valueDecimal":1.500e3' in stored.body
    kept = stored.json
    assert kept["subject"] == {"reference": who, "display": urn(1)}
    assert kept["code"]["text"] == kept["identifier"][0]["value"] == urn(1)
    said = {one["url"][-1]: next(value for name, value in one.items() if name != "url") for one in kept["extension"]}
    assert (said["a"], said["b"], said["c"]) == (who, who, urn(1))
    assert f"<a href=\"{who}\">{urn(1)}</a><img src='{who}'" in kept["text"]["div"]


async def test_absolute_and_relative_links_name_entries(patients: RoomDoor) -> None:
    """A fullUrl on another server is a name like any other, also for relative references beside it."""
    there = "https://other.example/fhir"
    made = await transact(
        patients,
        post(patient(), f"{there}/Patient/7"),
        post(basic(f"{there}/Patient/7"), f"{there}/Basic/1"),
        post(basic("Patient/7"), f"{there}/Basic/2"),
    )
    assert statuses(made) == ["201"] * 3
    for n in (1, 2):
        assert made.json["entry"][n]["resource"]["subject"]["reference"] == reference(made, 0)


async def test_order_in_the_bundle_does_not_matter(patients: RoomDoor) -> None:
    """However the entries stand: deletes first, then creates, updates, and reads see what all of them made."""
    for order in itertools.permutations(range(4)):
        gone, kept = await transact(patients, post(patient())), await transact(patients, post(patient()))
        tag, told = fresh(), reference(kept, 0)
        entries = [
            ask("DELETE", reference(gone, 0)),
            post(basic(told, identifier=[{"system": MRN, "value": tag}])),
            put({**patient(tag), "id": told.partition("/")[2]}),
            ask("GET", f"Basic?identifier={MRN}|{tag}"),
        ]
        done = await transact(patients, *(entries[n] for n in order))
        by_entry = dict(zip(order, statuses(done), strict=True))
        assert by_entry == {0: "204", 1: "201", 2: "200", 3: "200"}
        found = done.json["entry"][order.index(3)]["resource"]
        assert [one["resource"]["id"] for one in found["entry"]] == [
            done.json["entry"][order.index(1)]["resource"]["id"]
        ]


@pytest.mark.parametrize("at", range(5))
async def test_a_failure_anywhere_leaves_nothing(patients: RoomDoor, record: Settings, at: int) -> None:
    """Wherever the faulty entry stands, it is named, and no row of any entry remains."""
    who = reference(await transact(patients, post(patient())), 0)
    good = [
        post(basic(who)),
        put({**patient(), "id": who.partition("/")[2]}),
        post(basic(urn(9)), urn(8)),
        post(patient(), urn(9)),
        ask("GET", who),
    ]
    faults: list[tuple[dict[str, Any], int]] = [
        (post({**basic(who), "code": 5}), 400),
        (put({**basic(who), "id": "x"}, "Basic/y"), 400),
        (ask("GET", "Basic/none"), 404),
        (post(basic(urn(77))), 400),
        (put({**basic(who), "id": fresh()}, ifMatch='W/"3"'), 412),
        (ask("DELETE", "Basic/none"), 404),
    ]
    before = [await count(record, type_) for type_ in ("Basic", "Patient")]
    for fault, status in faults:
        answer = await transact(patients, *good[:at], fault, *good[at:])
        assert answer.status == status, answer.body
        assert places(answer)[0].startswith(f"Bundle.entry[{at}]")
    assert [await count(record, type_) for type_ in ("Basic", "Patient")] == before
    assert statuses(await transact(patients, *good)) == ["201", "200", "201", "201", "200"]


async def test_conditional_references_find_the_one(patients: RoomDoor) -> None:
    """A reference by search becomes the one that fits, be it here already or in the same Bundle."""
    known, coming = fresh(), fresh()
    old = reference(await transact(patients, post(patient(known))), 0)
    made = await transact(
        patients,
        post(basic(f"Patient?identifier={MRN}|{known}")),
        post(basic(f"Patient?identifier={MRN}|{coming}")),
        post(patient(coming)),
    )
    assert made.json["entry"][0]["resource"]["subject"]["reference"] == old
    assert made.json["entry"][1]["resource"]["subject"]["reference"] == reference(made, 2)


async def test_if_none_exist_makes_one_and_links_to_it(patients: RoomDoor) -> None:
    """A conditional create that finds its patient answers 200, and links point at the patient found."""
    value = fresh()
    criteria = f"identifier={MRN}|{value}"
    first = await transact(patients, post(patient(value), urn(1), ifNoneExist=criteria), post(basic(urn(1))))
    again = await transact(patients, post(patient(value), urn(1), ifNoneExist=criteria), post(basic(urn(1))))
    assert (statuses(first), statuses(again)) == (["201", "201"], ["200", "201"])
    assert reference(again, 0) == reference(first, 0)
    assert again.json["entry"][1]["resource"]["subject"]["reference"] == reference(first, 0)


async def test_conditional_updates_and_deletes(patients: RoomDoor) -> None:
    """By criteria, an update replaces the one or makes it, and a delete takes the one."""
    value, other = fresh(), fresh()
    made = await transact(
        patients, put(patient(value), f"Patient?identifier={MRN}|{value}"), post(basic("Patient/tove"))
    )
    assert statuses(made) == ["201", "201"]
    done = await transact(
        patients,
        put({**patient(value), "active": True}, f"Patient?identifier={MRN}|{value}"),
        ask("DELETE", f"Patient?identifier={MRN}|{other}"),
    )
    assert statuses(done) == ["200", "204"]
    assert done.json["entry"][0]["response"]["etag"] == 'W/"2"'


async def test_patches_ride_along(patients: RoomDoor) -> None:
    """A JSON Patch comes inside a Binary, as R4 says."""
    who = reference(await transact(patients, post(patient())), 0)
    patch = orjson.dumps([{"op": "add", "path": "/active", "value": True}])
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": base64.b64encode(patch).decode(),
    }
    done = await transact(patients, {"resource": binary, "request": {"method": "PATCH", "url": who}})
    assert statuses(done) == ["200"]
    assert (await read(patients, who))["active"] is True


async def test_prefer_minimal_leaves_resources_out(patients: RoomDoor) -> None:
    """With return=minimal an entry's answer has no resource."""
    made = await transact(patients, post(patient()), prefer="return=minimal")
    assert statuses(made) == ["201"]
    assert "resource" not in made.json["entry"][0]


async def test_two_transactions_with_one_identifier_make_one_patient(patients: RoomDoor) -> None:
    """Twenty rounds of four transactions at once, each creating one identifier if none exists: one patient each."""
    for _ in range(20):
        value = fresh()
        entries = (
            post(patient(value), urn(1), ifNoneExist=f"identifier={MRN}|{value}"),
            post(basic(urn(1))),
        )
        answers = await asyncio.gather(*(transact(patients, *entries) for _ in range(4)))
        assert sorted(statuses(answer)[0] for answer in answers) == ["200", "200", "200", "201"]
        assert len({reference(answer, 0) for answer in answers}) == 1
        assert {answer.json["entry"][1]["resource"]["subject"]["reference"] for answer in answers} == {
            reference(answers[0], 0)
        }


async def test_crossing_transactions_do_not_deadlock(patients: RoomDoor) -> None:
    """Transactions that change the same resources in opposite orders all come through."""
    values = [fresh() for _ in range(6)]
    made = await transact(patients, *(post(patient(value)) for value in values))
    ids = [reference(made, n).partition("/")[2] for n in range(6)]
    bodies = [{**patient(value), "id": id_} for value, id_ in zip(values, ids, strict=True)]
    by_id = [put(body) for body in bodies]
    by_criteria = [put(patient(value), f"Patient?identifier={MRN}|{value}") for value in values]
    for _ in range(5):
        orders = [by_id, by_id[::-1], by_criteria, by_criteria[::-1]]
        answers = await asyncio.gather(*(transact(patients, *order) for order in orders))
        assert [statuses(answer) for answer in answers] == [["200"] * 6] * 4
    assert (await read(patients, f"Patient/{ids[0]}"))["meta"]["versionId"] == "21"
