"""Pages of large resources end early, so that no answer outgrows a room's memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.settings import Settings
from record import read
from record.rest import fhir_routes
from record.search import include
from tests.record.bundles import ACCOUNTS, basic, fresh, patient, post, reference, transact, urn
from tests.support.record import RoomDoor, door_of

EACH = 6
LONG = "a" * 1000


@pytest.fixture
async def patients(record: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes; two resources of this size fit on a page, a third does not."""
    monkeypatch.setattr(read, "MOST_BYTES", 3000)
    monkeypatch.setattr(include, "MOST_BYTES", 3000)
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


async def crowded(door: RoomDoor) -> str:
    """A patient with large resources."""
    large = [post(basic(urn(1), code={"text": LONG})) for _ in range(EACH)]
    return reference(await transact(door, post(patient(fresh()), urn(1)), *large), 0)


async def leafed(door: RoomDoor, place: str) -> list[list[dict[str, Any]]]:
    """Every page's resources."""
    pages, link = [], f"/fhir/{place}"
    while link:
        answer = await door.ask("GET", link, by="system")
        pages.append([entry["resource"] for entry in answer.json["entry"]])
        following = [one["url"] for one in answer.json["link"] if one["relation"] == "next"]
        link = "/fhir/" + following[0].partition("/fhir/")[2] if following else ""
    return pages


@pytest.mark.parametrize("order", ["", "&_sort=-_id", "&_sort=code,_lastUpdated", "&_sort=created", "&_sort=-created"])
async def test_a_page_ends_where_it_is_heavy_enough(patients: RoomDoor, order: str) -> None:
    """Two come at a time in whatever order, each once, though fifty may."""
    who = await crowded(patients)
    pages = await leafed(patients, f"Basic?subject={who}{order}")
    assert [len(page) for page in pages] == [2, 2, 2]
    assert len({one["id"] for page in pages for one in page}) == EACH


async def test_the_versions_of_one_resource_come_a_few_at_a_time(patients: RoomDoor) -> None:
    """A history's pages end early, too, and miss no version."""
    who = await crowded(patients)
    made = (await patients.ask("GET", f"/fhir/Basic?subject={who}&_count=1", by="system")).json["entry"][0]["resource"]
    for _ in range(3):
        await patients.ask("PUT", f"/fhir/Basic/{made['id']}", by="system", body=made)
    pages = await leafed(patients, f"Basic/{made['id']}/_history")
    assert [[one["meta"]["versionId"] for one in page] for page in pages] == [["4", "3"], ["2", "1"]]


async def test_what_comes_along_may_weigh_no_more(patients: RoomDoor) -> None:
    """What cannot be given on one page is refused, not cut short."""
    who = await crowded(patients)
    answer = await patients.ask("GET", f"/fhir/Patient?_id={who[8:]}&_revinclude=Basic:subject", by="system")
    assert (answer.status, answer.codes) == (400, ["search-too-large"])
