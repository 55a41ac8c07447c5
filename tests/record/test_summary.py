"""Parts of resources: what is cut away, what stays, and that no byte of what stays is written anew."""

import re
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record import definitions
from record.failures import InvariantBroken
from record.interactions.summary import View, is_subsetted
from record.rest import fhir_routes
from record.validation.checking import faults_of
from tests.record.official import sound_examples
from tests.support.record import RoomDoor, account, door_of

VIEWS = [View("true"), View("text"), View("data"), View(elements=("identifier", "status"))]
NUMBER = re.compile(rb"[:\[,]\s*(-?[0-9][0-9.eE+\-]*)")
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def leaves(value: Any, place: str = "") -> set[tuple[str, str]]:
    """Every primitive value of a resource with where it stands, list positions apart."""
    if isinstance(value, dict):
        return {leaf for name, inner in value.items() for leaf in leaves(inner, f"{place}.{name}")}
    if isinstance(value, list):
        return {leaf for inner in value for leaf in leaves(inner, place)}
    return {(place, repr(value))}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.way if view.way != "false" else "elements")
def test_a_part_of_an_official_example_is_a_part(view: View) -> None:
    """Nothing is in a part that is not in the whole but the mark, no mandatory element is missing, numbers stay."""
    for name, body in sound_examples().items():
        whole, part = orjson.loads(body), orjson.loads(cut := view.of(body))
        assert is_subsetted(part), name
        part["meta"]["tag"].remove(SUBSETTED)
        assert leaves(part) <= leaves(whole), name
        assert set(NUMBER.findall(cut)) <= set(NUMBER.findall(body)), name
        faults = faults_of(orjson.loads(cut))
        assert all(isinstance(fault, InvariantBroken) for fault in faults), (name, faults)


def test_a_summary_follows_hl7s_marks_in_every_depth() -> None:
    """In backbone elements and data types, too, just what HL7 marks or demands is shown."""
    body = b"""{"resourceType":"Patient","id":"a","text":{"status":"generated","div":"<div/>"},
      "active":true,"_active":{"id":"x"},"photo":[{"url":"http://x"}],"maritalStatus":{"text":"x"},
      "identifier":[{"system":"s","value":"1","extension":[{"url":"u","valueDecimal":1.00}]}],
      "link":[{"other":{"reference":"Patient/b"},"type":"seealso"}],"contact":[{"name":{"text":"x"}}]}"""
    part = orjson.loads(View("true").of(body))
    del part["meta"]
    assert part == {
        "resourceType": "Patient",
        "id": "a",
        "active": True,
        "_active": {"id": "x"},
        "identifier": [{"system": "s", "value": "1"}],
        "link": [{"other": {"reference": "Patient/b"}, "type": "seealso"}],
    }


def test_what_a_kept_reference_points_at_inside_comes_along() -> None:
    """A contained resource stays where a reference to it stays, and goes where none does."""
    head = '{"resourceType":"MedicationRequest","status":"draft","intent":"order","subject":{"reference":"Patient/1"},'
    contained = '"contained":[{"resourceType":"Medication","id":"m","code":{"text":"x"}}],'
    inward = View("true").of(f'{head}{contained}"medicationReference":{{"reference":"#m"}}}}'.encode())
    assert "contained" in orjson.loads(inward)
    outward = View("true").of(f'{head}{contained}"medicationReference":{{"reference":"Medication/1"}}}}'.encode())
    assert "contained" not in orjson.loads(outward)


def test_elements_of_a_choice_are_named_without_their_type() -> None:
    """`_elements=value` shows valueQuantity, its digits as they were written."""
    body = b"""{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":72.50},
      "note":[{"text":"x"}]}"""
    part = View(elements=("value",)).of(body)
    assert b'"valueQuantity":{"value":72.50}' in part
    assert set(orjson.loads(part)) == {"resourceType", "meta", "status", "code", "valueQuantity"}


@pytest.fixture
async def door(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    accounts = [account("system", Role.SYSTEM)]
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=accounts) as opened:
        yield opened


OBSERVATION = b"""{"resourceType":"Observation","status":"final","code":{"text":"part","coding":[{"system":"urn:parts",
 "code":"%s"}]},"subject":{"reference":"Patient/part"},"valueQuantity":{"value":1.00},"note":[{"text":"long"}],
 "text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">x</div>"}}"""


async def seen(door: RoomDoor, code: str) -> str:
    """The place of an observation just entered."""
    made = await door.ask("POST", "/fhir/Observation", by="system", body=OBSERVATION % code.encode())
    assert made.status == 201, made.body
    return f"/fhir/Observation/{made.json['id']}"


@pytest.mark.parametrize(
    ("wanted", "there", "gone"),
    [
        ("_summary=true", {"status", "code", "valueQuantity"}, {"note", "text"}),
        ("_summary=text", {"status", "code", "text"}, {"note", "valueQuantity"}),
        ("_summary=data", {"status", "note", "valueQuantity"}, {"text"}),
        ("_elements=note", {"status", "code", "note"}, {"text", "valueQuantity"}),
    ],
)
async def test_every_way_of_reading_gives_parts(door: RoomDoor, wanted: str, there: set[str], gone: set[str]) -> None:
    """Read, vread, search and the histories cut alike, mark what they cut, and keep decimals."""
    place = await seen(door, "ways")
    ways = [place, f"{place}/_history/1", f"{place}/_history", "/fhir/Observation/_history", "/fhir/_history"]
    for way in [*ways, "/fhir/Observation"]:
        more = "&code=urn:parts|ways" if way == "/fhir/Observation" else ""
        answer = await door.ask("GET", f"{way}?{wanted}{more}", by="system")
        assert answer.status == 200, answer.body
        part = answer.json if "entry" not in answer.json else answer.json["entry"][0]["resource"]
        assert there <= set(part), way
        assert not gone & set(part), way
        assert part["meta"]["tag"] == [SUBSETTED]
        assert "valueQuantity" not in there or b'{"value":1.00}' in answer.body


async def test_what_a_page_link_goes_on_with_is_cut_too(door: RoomDoor) -> None:
    """The next page of a search and of a history shows the same part."""
    for _ in range(3):
        await seen(door, "pages")
    for way in (
        "Observation?code=urn:parts|pages&_count=2&_summary=true",
        "Observation/_history?_count=2&_summary=true",
    ):
        page = (await door.ask("GET", f"/fhir/{way}", by="system")).json
        links = {link["relation"]: link["url"] for link in page["link"]}
        following = (await door.ask("GET", links["next"].partition("/fhir")[2].join(["/fhir", ""]), by="system")).json
        assert all("note" not in entry["resource"] for entry in following["entry"])
        assert not {e["resource"]["id"] for e in following["entry"]} & {e["resource"]["id"] for e in page["entry"]}


async def test_a_count_shows_no_entries(door: RoomDoor) -> None:
    """`_summary=count` answers with the number alone."""
    await seen(door, "count")
    answer = await door.ask("GET", "/fhir/Observation?code=urn:parts|count&_summary=count&_count=5", by="system")
    assert (answer.json["total"], "entry" in answer.json) == (1, False)


async def test_a_part_is_never_kept_for_the_whole(door: RoomDoor) -> None:
    """What was read as a summary is refused when it is sent back, by PUT and by POST."""
    place = await seen(door, "back")
    part = (await door.ask("GET", f"{place}?_summary=true", by="system")).body
    for method, where in (("PUT", place), ("POST", "/fhir/Observation")):
        back = await door.ask(method, where, by="system", body=part)
        assert (back.status, back.codes) == (422, ["subsetted"])
    assert (await door.ask("GET", place, by="system")).headers["etag"] == 'W/"1"'


async def test_pretty_is_for_eyes_alone(door: RoomDoor) -> None:
    """`_pretty=true` breaks lines and leaves every value as it is, numbers to the digit; HEAD says the same length."""
    place = await seen(door, "pretty")
    plain, pretty = [await door.ask("GET", f"{place}{more}", by="system") for more in ("", "?_pretty=true")]
    assert b"\n  " in pretty.body
    assert pretty.json == plain.json
    assert b'"value": 1.00' in pretty.body
    head = await door.ask("HEAD", f"{place}?_pretty=true", by="system")
    assert head.headers["content-length"] == pretty.headers["content-length"] == str(len(pretty.body))
    found = await door.ask("GET", "/fhir/Observation?code=urn:parts|pretty&_pretty=true", by="system")
    assert b"\n  " in found.body


def test_every_kept_type_has_a_summary() -> None:
    """HL7 marks elements of every type, so no summary is empty."""
    for type_ in {orjson.loads(body)["resourceType"] for body in sound_examples().values()}:
        assert any(entry.get("summary") for entry in definitions.elements()[type_].values()), type_
