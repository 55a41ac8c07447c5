"""What comes along with a search: by every reference, step by step, and both ways."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from kernel.database import TookTooLong, Transaction
from kernel.settings import Settings
from record.failures import SearchTooLarge
from record.search import include
from record.search.searching import search
from record.visible import Everything
from record.write import create_many
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
Resource = dict[str, Any]


def refer(type_: str, **elements: str) -> Resource:
    """A resource with references alone."""
    return {"resourceType": type_} | {name: {"reference": to} for name, to in elements.items()}


@pytest.fixture
async def ready(record: Settings) -> None:
    """A house inside a house inside a house, a patient of the innermost, and what points at the patient."""
    houses = [
        ("along-1", refer("Organization")),
        ("along-2", refer("Organization", partOf="Organization/along-1")),
        ("along-3", refer("Organization", partOf="Organization/along-2")),
    ]
    async with database_of("appointments", record, size=1) as database, database.transaction() as tx:
        if await tx.raw.fetchval("select true from record.organization where id = 'along-1'"):
            return
        await create_many(tx, houses, now=NOW)
    person = refer("Patient", managingOrganization="Organization/along-3")
    elsewhere = {"reference": "https://other.example/Organization/1"}
    person["generalPractitioner"] = [{"reference": "Practitioner/nobody"}, elsewhere]
    flag = refer("Flag", subject="Patient/along") | {"code": {"text": "x"}, "status": "active"}
    seen = refer("Observation", subject="Patient/along") | {"code": {"text": "x"}, "status": "final"}
    derived = seen | {"derivedFrom": [{"reference": "Observation/along-1"}]}
    made = [("along", person), ("along-flag", flag), ("along-1", seen), ("along-2", derived)]
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        await create_many(tx, made, now=NOW)


async def along(tx: Transaction, type_: str, id_: str, *asked: tuple[str, str]) -> list[str]:
    """What comes along with one resource."""
    page = await search(tx, type_, [("_id", id_), *asked], visible=Everything(), now=NOW)
    assert [one.id for one in page.entries] == [id_]
    return sorted(one.reference for one in page.includes)


SEEN = ["Observation/along-1", "Observation/along-2"]
HOUSES = ["Organization/along-1", "Organization/along-2", "Organization/along-3"]


@pytest.mark.parametrize(
    ("start", "asked", "expected"),
    [
        ("Patient/along", "_include=*", HOUSES[2:]),
        ("Patient/along", "_include=Patient:*", HOUSES[2:]),
        ("Patient/along", "_include=Patient:organization:Organization", HOUSES[2:]),
        ("Patient/along", "_include=Patient:general-practitioner", []),
        ("Patient/along", "_include=Patient:organization&_include:iterate=Organization:partof", HOUSES),
        ("Patient/along", "_revinclude=*", ["Flag/along-flag", *SEEN]),
        ("Patient/along", "_revinclude=Observation:*", SEEN),
        ("Organization/along-3", "_include=Organization:partof", HOUSES[1:2]),
        ("Organization/along-3", "_include:iterate=Organization:partof", HOUSES[:2]),
        ("Organization/along-1", "_revinclude:iterate=Organization:partof", HOUSES[1:]),
        ("Organization/along-3", "_revinclude=Patient:organization", ["Patient/along"]),
        (
            "Organization/along-3",
            "_revinclude=Patient:organization&_revinclude:iterate=Flag:patient",
            ["Flag/along-flag", "Patient/along"],
        ),
        ("Observation/along-1", "_revinclude=Observation:derived-from:Observation", SEEN[1:]),
        ("Observation/along-2", "_include:iterate=*", [SEEN[0], *HOUSES, "Patient/along"]),
    ],
)
@pytest.mark.usefixtures("ready")
async def test_what_comes_along(record: Settings, start: str, asked: str, expected: list[str]) -> None:
    """Each step along the named references, and no step that was not asked for; matches do not come twice."""
    type_, _, id_ = start.partition("/")
    async with database_of("patients", record, size=1) as database, database.reading() as tx:
        assert await along(tx, type_, id_, *parse_qsl(asked)) == expected


async def test_more_than_can_come_along_is_refused(record: Settings) -> None:
    """Beyond a thousand resources the search is refused, never cut short."""
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        crowd = refer("Observation", subject="Patient/crowded") | {"code": {"text": "x"}, "status": "final"}
        await create_many(tx, [("crowded", refer("Patient"))], now=NOW)
        await create_many(tx, [(f"crowded-{n}", crowd) for n in range(1001)], now=NOW)
        with pytest.raises(SearchTooLarge):
            await along(tx, "Patient", "crowded", ("_revinclude", "Observation:patient"))


@pytest.mark.usefixtures("ready")
async def test_the_whole_way_takes_its_time_at_most(record: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long row of resources, each pointing at the next, does not keep the record busy step by step for ever."""
    monkeypatch.setattr(include, "SECONDS_AT_MOST", 0)
    async with database_of("patients", record, size=1) as database:
        with pytest.raises(TookTooLong):
            async with database.reading() as tx:
                await along(tx, "Patient", "along", ("_include:iterate", "Patient:organization"))
