"""Tests of Patient/$everything: the whole compartment and what it points at, page by page, for those who may see it."""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.settings import Settings
from record import write
from record.interactions.everything import everything, readable, wanted
from record.ownership import types
from record.visible import OnlyPatient
from services.patients import everything_routes, routes
from tests.support.postgres import database_of
from tests.support.record import Answer, RoomDoor, door_of
from tests.support.rooms import principal
from tests.support.visits import NOW, Booked, booked, transaction

SYSTEM = principal(Role.SYSTEM, account="interface")

_count = itertools.count(1)


@pytest.fixture
async def known(migrated: Settings) -> Booked:
    """A patient with a booking, a document, ten observations, a claim, and one observation of somebody else."""
    one, other = await booked(migrated), await booked(migrated)
    async with transaction("appointments", migrated) as tx:
        doctor = one.practitioner.removeprefix("Practitioner/")
        await write.create(tx, {"resourceType": "Practitioner", "active": True}, id=doctor, now=NOW)
    async with transaction("patients", migrated) as tx:
        for day in range(10):
            await enter(tx, observation(one, f"2026-11-{day + 1:02}"), f"o-{one.patient}-{day}")
        await enter(tx, observation(one, None), f"o-{one.patient}-undated")
        await enter(tx, observation(other, "2026-11-01"), f"o-{other.patient}")
        claim = {"resourceType": "Claim", "patient": {"reference": f"Patient/{one.patient}"}}
        await write.create(tx, claim, id=f"claim-{one.patient}", now=NOW, patient=one.patient)
    return one


@pytest.fixture
async def door(migrated: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room, asked without a network."""
    routers = [everything_routes.reads, *routes.fhir_routers()]
    async with door_of("patients", migrated, routers=routers, accounts=[]) as opened:
        yield opened


async def enter(tx: Transaction, resource: dict[str, Any], id: str) -> None:
    """Put a resource into the record with decimals as they stand."""
    body = orjson.dumps(resource).replace(b'"72.50"', b"72.50")
    await write.create(tx, body, id=id, now=NOW)


def observation(one: Booked, day: str | None) -> dict[str, Any]:
    """A measurement on a day by the patient's doctor."""
    dated = {"effectiveDateTime": day} if day else {}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": f"Patient/{one.patient}"},
        "performer": [{"reference": one.practitioner}],
        "valueQuantity": {"value": "72.50"},
        **dated,
    }


async def ask(door: RoomDoor, by: Principal, path: str, **more: Any) -> Answer:
    """One request by someone."""
    door.app.state.room.verifier.accounts[by.account] = by
    return await door.ask(more.pop("method", "GET"), path, by=by.account, **more)


async def walk(door: RoomDoor, by: Principal, path: str) -> list[list[dict[str, Any]]]:
    """Every page's entries."""
    pages, following = [], path
    while following:
        answer = await ask(door, by, following)
        assert answer.status == 200, answer.body
        pages.append(answer.json.get("entry", []))
        urls = {link["relation"]: urlsplit(link["url"]) for link in answer.json["link"]}
        following = f"{urls['next'].path}?{urls['next'].query}" if "next" in urls else ""
    return pages


def references(entries: list[dict[str, Any]], mode: str = "match") -> list[str]:
    """The entries' resources."""
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries if e["search"]["mode"] == mode]


async def test_everything_comes_once(door: RoomDoor, known: Booked) -> None:
    """All of the patient's resources come once, the patient first, in a stable order, and nobody else's."""
    whole = await walk(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything")
    pages = await walk(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything?_count=4")
    expected = references(whole[0])
    assert len(whole) == 1
    assert expected[0] == f"Patient/{known.patient}"
    assert sorted(expected) == sorted(
        {
            *(f"Observation/o-{known.patient}-{day}" for day in [*range(10), "undated"]),
            *(f"Patient/{known.patient}", f"Appointment/{known.appointment}"),
            *(f"DocumentReference/{known.document}", f"Claim/claim-{known.patient}"),
        }
    )
    assert [one for page in pages for one in references(page)] == expected
    assert max(len(references(page)) for page in pages) == 4


async def test_directory_comes_along_once(door: RoomDoor, known: Booked) -> None:
    """The doctor whom many resources name comes along once over all pages; who is not in the record does not."""
    pages = await walk(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything?_count=3")
    assert [one for page in pages for one in references(page, "include")] == [known.practitioner]


async def test_bytes_are_the_stored_ones(door: RoomDoor, known: Booked) -> None:
    """A resource comes as the very bytes a read gives, its decimals included."""
    answer = await ask(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything")
    one = await ask(door, SYSTEM, f"/fhir/Observation/o-{known.patient}-3")
    assert b'"value":72.50' in one.body
    assert one.body in answer.body


async def test_who_may_ask(migrated: Settings, door: RoomDoor, known: Booked) -> None:
    """The patient, a doctor in whose care the patient is, and systems; to all others the record is not there."""
    path, stranger = f"/fhir/Patient/{known.patient}/$everything", await booked(migrated)
    pharmacist = principal(Role.PHARMACIST, "Practitioner/p", organization="Organization/pharmacy-1")
    expected = [
        *((by, 200) for by in (known.person, known.doctor, SYSTEM)),
        *((by, 404) for by in (stranger.person, stranger.doctor)),
        *((by, 403) for by in (pharmacist, principal(Role.ADMIN, account="admin"))),
    ]
    assert [(by, (await ask(door, by, path)).status) for by, _ in expected] == expected
    assert (await door.ask("GET", path)).status == 401
    unknown = await ask(door, SYSTEM, "/fhir/Patient/nobody-at-all/$everything")
    assert unknown.status == 404


async def test_each_sees_what_the_role_reads(door: RoomDoor, known: Booked) -> None:
    """A doctor gets no claim, since the role reads none; the patient gets it."""
    seen = {
        by.role: {one.partition("/")[0] for one in references(pages[0])}
        for by in (known.person, known.doctor)
        if (pages := await walk(door, by, f"/fhir/Patient/{known.patient}/$everything"))
    }
    assert seen[Role.PATIENT] - seen[Role.PRACTITIONER] == {"Claim"}
    assert {"Observation", "Appointment", "DocumentReference", "Patient"} == seen[Role.PRACTITIONER]


async def test_the_walls_hold_without_the_route(migrated: Settings, known: Booked) -> None:
    """Even asked for another's record outright, the statements show a patient nothing but the own compartment."""
    asked = wanted({}, Role.PATIENT)
    async with database_of("patients", migrated) as database, database.transaction(patient=known.patient) as tx:
        mine = await everything(tx, known.patient, asked, visible=OnlyPatient(known.patient))
    assert {one.patient for one in mine.own} == {known.patient}
    assert {type_ for type_ in readable(Role.PATIENT)[0]} <= {t for t, r in types().items() if r.compartment}


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("start=2026-11-08", {8, 9, 10}),
        ("end=2026-11-02", {1, 2}),
        ("start=2026-11-03&end=2026-11-04T10:00:00%2B08:00", {3, 4}),
        ("start=2027", set()),
    ],
)
async def test_dates_narrow(door: RoomDoor, known: Booked, query: str, days: set[int]) -> None:
    """Only what was done between start and end comes, and what has no date always."""
    pages = await walk(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything?{query}&_type=Observation")
    wanted = {f"Observation/o-{known.patient}-{day - 1}" for day in days} | {f"Observation/o-{known.patient}-undated"}
    assert set(references(pages[0])) == wanted


async def test_a_birthday_is_no_date_of_care(door: RoomDoor, known: Booked) -> None:
    """The patient's own resource comes whatever the dates asked for."""
    pages = await walk(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything?start=2030&_type=Patient")
    assert references(pages[0]) == [f"Patient/{known.patient}"]


async def test_since(migrated: Settings, door: RoomDoor, known: Booked) -> None:
    """Only what changed since an instant comes."""
    later, path = NOW + timedelta(hours=1), f"/fhir/Patient/{known.patient}/$everything"
    async with transaction("patients", migrated) as tx:
        changed = observation(known, "2026-11-05") | {"status": "amended", "id": f"o-{known.patient}-4"}
        await write.update(tx, changed, id=f"o-{known.patient}-4", now=later, expected=None)
    pages = await walk(door, SYSTEM, f"{path}?_since={NOW + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}")
    assert references(pages[0]) == [f"Observation/o-{known.patient}-4"]


async def test_asked_again_from_there_nothing_is_missed(migrated: Settings, door: RoomDoor, known: Booked) -> None:
    """A Bundle says up to when it is complete: what was still being written then comes when asked from there on."""
    path = f"/fhir/Patient/{known.patient}/$everything"
    async with transaction("patients", migrated) as tx:
        late = door.app.state.room.clock.now()
        await write.create(tx, observation(known, "2026-11-20"), id=f"o-{known.patient}-late", now=late)
        pages = [await ask(door, SYSTEM, f"{path}?_count=4")]
    while following := [one["url"] for one in pages[-1].json["link"] if one["relation"] == "next"]:
        link = urlsplit(following[0])
        pages.append(await ask(door, SYSTEM, f"{link.path}?{link.query}"))
    until = {page.json["meta"]["lastUpdated"] for page in pages}
    again = await ask(door, SYSTEM, f"{path}?_since={until.pop()}")
    assert not until
    assert f"Observation/o-{known.patient}-late" in references(again.json["entry"])


async def test_types_and_posted_parameters(door: RoomDoor, known: Booked) -> None:
    """Types can be chosen, by address and by a Parameters resource alike; the directory's count too."""
    path = f"/fhir/Patient/{known.patient}/$everything"
    names = [{"name": "_type", "valueCode": one} for one in ("Observation", "Claim")]
    asked = {"resourceType": "Parameters", "parameter": [*names, {"name": "_count", "valueInteger": 200}]}
    by_address = await walk(door, SYSTEM, f"{path}?_type=Observation,Claim")
    posted = await ask(door, SYSTEM, path, method="POST", body=asked)
    with_doctor = await walk(door, SYSTEM, f"{path}?_type=Observation,Practitioner")
    assert references(posted.json["entry"]) == references(by_address[0])
    assert references(by_address[0], "include") == []
    assert {one.partition("/")[0] for one in references(by_address[0])} == {"Observation", "Claim"}
    assert references(with_doctor[0], "include") == [known.practitioner]


@pytest.mark.parametrize(
    "query",
    [
        *("start=tomorrow", "start=2026&start=2027", "end=", "_since=x", "_count=0", "_count=many", "_type=Nothing"),
        *("_type=Practitioner", "_type=AuditEvent", "name=x", "_page=abc", "_page=abc&_count=1", "_reached=x"),
    ],
)
async def test_unreadable_questions(door: RoomDoor, known: Booked, query: str) -> None:
    """What $everything does not take is refused with a sentence."""
    answer = await ask(door, SYSTEM, f"/fhir/Patient/{known.patient}/$everything?{query}")
    assert (answer.status, answer.json["resourceType"]) == (400, "OperationOutcome")


async def test_links_tell_nothing_and_belong_to_one(migrated: Settings, door: RoomDoor, known: Booked) -> None:
    """A page link holds no date or type in the clear, and opens for nobody else and no other record."""
    other = await booked(migrated)
    path = f"/fhir/Patient/{known.patient}/$everything"
    answer = await ask(door, SYSTEM, f"{path}?_count=2&_type=Observation&start=2026-11-02")
    link = next(urlsplit(one["url"]) for one in answer.json["link"] if one["relation"] == "next")
    foreign = await ask(door, known.doctor, f"{link.path}?{link.query}")
    moved = await ask(door, SYSTEM, f"/fhir/Patient/{other.patient}/$everything?{link.query}")
    assert "Observation" not in link.query
    assert "2026" not in link.query
    assert [one.status for one in (foreign, moved)] == [400, 400]
    assert len(link.query) < 2000


async def test_pages_stay_right_while_others_write(migrated: Settings, door: RoomDoor, known: Booked) -> None:
    """What is entered or deleted between two pages moves nothing: the rest comes once."""
    path = f"/fhir/Patient/{known.patient}/$everything?_type=Observation&_count=5"
    first = await ask(door, SYSTEM, path)
    async with transaction("patients", migrated) as tx:
        await enter(tx, observation(known, "2026-10-01"), f"o-{known.patient}-before-{next(_count)}")
        seen = references(first.json["entry"])
        await write.delete(tx, *seen[0].split("/"), now=NOW, expected=None)
    link = next(urlsplit(one["url"]) for one in first.json["link"] if one["relation"] == "next")
    rest = await walk(door, SYSTEM, f"{link.path}?{link.query}")
    everything_else = [one for page in rest for one in references(page)]
    assert len({*seen, *everything_else}) == 11
    assert not {*seen} & {*everything_else}


async def test_type_level(door: RoomDoor, known: Booked) -> None:
    """Without an id patients get their own record; anyone else is told to name the patient."""
    own = await walk(door, known.person, "/fhir/Patient/$everything?_count=6")
    refused = await ask(door, SYSTEM, "/fhir/Patient/$everything")
    assert len([one for page in own for one in references(page)]) == 15
    assert (refused.status, refused.codes) == (422, ["patient-not-named"])


async def test_each_page_is_audited(migrated: Settings, door: RoomDoor, known: Booked) -> None:
    """Every page is one operation in the audit trail, with whose record it was."""
    by = principal(Role.SYSTEM, account=f"auditor-{known.patient}")
    pages = await walk(door, by, f"/fhir/Patient/{known.patient}/$everything?_count=10")
    async with database_of("patients", migrated) as database, database.reading() as tx:
        rows = await tx.raw.fetch("select * from record.audit where account = $1", by.account)
    assert len(rows) == len(pages) == 2
    assert {(row["interaction"], row["entity"], row["patient"]) for row in rows} == {
        ("$everything", f"Patient/{known.patient}", known.patient)
    }
