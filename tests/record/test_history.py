"""Histories: newest first, by pages, each under its reader's eyes, and nothing missed by who asks again."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from kernel.auth.principal import Role
from kernel.database import Database
from kernel.settings import Settings
from record.care import entrust
from record.interactions.edge import room_of
from record.rest import fhir_routes
from record.settling import settled
from record.write import create, update
from tests.support.postgres import connect_as
from tests.support.record import RoomDoor, account, door_of

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("admin", Role.ADMIN),
    account("ann", Role.PATIENT, fhir_user="Patient/history-ann"),
    account("doctor", Role.PRACTITIONER, fhir_user="Practitioner/d", clinics=("HealthcareService/history",)),
]


@pytest.fixture
async def door(record: Settings) -> AsyncIterator[RoomDoor]:
    """The appointments room with plain writes."""
    async with door_of("appointments", record, routers=fhir_routes("appointments"), accounts=ACCOUNTS) as opened:
        yield opened


def hospital(id_: str, name: str = "x") -> dict[str, Any]:
    """An organization."""
    return {"resourceType": "Organization", "id": id_, "name": name}


async def history(door: RoomDoor, place: str, *, by: str = "system") -> dict[str, Any]:
    """A history's Bundle."""
    answer = await door.ask("GET", f"/fhir/{place}", by=by)
    assert answer.status == 200, answer.body
    assert answer.json["type"] == "history"
    return answer.json  # type: ignore[no-any-return]


def versions(bundle: dict[str, Any]) -> list[str]:
    """`Type/id/version` of each entry, in order."""
    entries = bundle.get("entry", ())
    return [f"{e['fullUrl'].partition('/fhir/')[2]}/{e['response']['etag'][3:-1]}" for e in entries]


async def leafed(door: RoomDoor, place: str, *, by: str = "system") -> list[str]:
    """All versions of a history, page after page."""
    found = []
    while place:
        bundle = await history(door, place, by=by)
        found += versions(bundle)
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        place = links["next"].partition("/fhir/")[2] if "next" in links else ""
    return found


async def kept(database: Database, id_: str, *, times: int, at: datetime) -> None:
    """An organization of so many versions, a minute apart."""
    async with database.transaction() as tx:
        await create(tx, hospital(id_), id=id_, now=at)
        for n in range(1, times):
            await update(tx, hospital(id_, f"{n}"), id=id_, now=at + timedelta(minutes=n), expected=n)


async def test_one_resources_history_comes_by_pages(door: RoomDoor, appointments: Database) -> None:
    """Seven versions by three a page, newest first, none twice; a whole history says its total."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await kept(appointments, "pages", times=7, at=at)
    wanted = [f"Organization/pages/{n}" for n in range(7, 0, -1)]
    assert await leafed(door, "Organization/pages/_history?_count=3") == wanted
    whole = await history(door, "Organization/pages/_history")
    assert (versions(whole), whole["total"]) == (wanted, 7)
    assert [e["request"]["method"] for e in whole["entry"]] == ["PUT"] * 6 + ["POST"]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("_since=2026-01-02T00:02:00Z", [4, 3]),
        ("_since=2026-01-02T08:02:00%2B08:00", [4, 3]),
        ("_since=2026-01-02T08:02:00+08:00", [4, 3]),
        ("_since=2030-01-01T00:00:00Z", []),
        ("_at=2026-01-02T00:01:30Z", [2]),
        ("_at=2026-01-02T08:00", [1]),
        ("_at=2026-01-02", [4, 3, 2, 1]),
        ("_at=2025-01-01", []),
        ("_at=2027", [4]),
        ("_since=2026-01-02T00:01:00Z&_count=2", [4, 3]),
    ],
)
async def test_a_history_is_cut_by_time(door: RoomDoor, appointments: Database, asked: str, wanted: list[int]) -> None:
    """`_since` shows what was written from then on, `_at` what was in force then."""
    id_ = f"cut-{quote(asked, safe='').replace('%', '-')}"[:64].replace("_", "-")
    await kept(appointments, id_, times=4, at=datetime(2026, 1, 2, tzinfo=UTC))
    bundle = await history(door, f"Organization/{id_}/_history?{asked}")
    assert [int(one.rpartition("/")[2]) for one in versions(bundle)] == wanted


async def test_the_histories_of_type_and_record_leaf_without_gap_or_double(
    door: RoomDoor, appointments: Database, patients: Database
) -> None:
    """Page by page each version comes once, newest first, whatever its type; writers in between change no page."""
    at = datetime.now(UTC)
    await kept(appointments, "leaf-a", times=5, at=at - timedelta(minutes=30))
    await kept(appointments, "leaf-b", times=5, at=at - timedelta(minutes=30))
    async with patients.transaction() as tx:
        await create(tx, {"resourceType": "Patient", "id": "leaf"}, id="leaf", now=at - timedelta(minutes=28))
    since = (at - timedelta(minutes=30, seconds=1)).isoformat().replace("+00:00", "Z")
    mine = [v for v in await leafed(door, f"Organization/_history?_since={since}&_count=3") if "leaf-" in v]
    assert mine == [f"Organization/leaf-{letter}/{n}" for n in range(5, 0, -1) for letter in "ba"]
    everything = [v for v in await leafed(door, f"_history?_since={since}&_count=3") if "leaf" in v]
    assert everything == [*mine[:4], "Patient/leaf/1", *mine[4:]]
    first = await history(door, f"Organization/_history?_since={since}&_count=2")
    await kept(appointments, "leaf-c", times=2, at=datetime.now(UTC))
    following = next(link["url"] for link in first["link"] if link["relation"] == "next").partition("/fhir/")[2]
    assert not [v for v in await leafed(door, following) if "leaf-c" in v]


async def test_everyone_sees_the_history_of_what_they_see(door: RoomDoor, patients: Database) -> None:
    """A patient's system history holds the own versions and the directory; a stranger's are not there."""
    now = datetime.now(UTC)
    async with patients.transaction() as tx:
        for name in ("history-ann", "history-bob"):
            await create(tx, {"resourceType": "Patient", "id": name}, id=name, now=now)
            flag = {"resourceType": "Flag", "status": "active", "code": {"text": "x"}}
            mine = flag | {"subject": {"reference": f"Patient/{name}"}}
            await create(tx, mine, id=f"flag-{name}", now=now)
            await update(tx, mine | {"status": "inactive"}, id=f"flag-{name}", now=now, expected=1)
    async with door.app.state.room.database.transaction() as tx:
        await create(tx, hospital("history-open"), id="history-open", now=now)
        await entrust(tx, clinic="HealthcareService/history", patient="history-bob", now=now)
    since = f"_history?_since={(now - timedelta(seconds=1)).isoformat().replace('+00:00', 'Z')}"
    ann = set(await leafed(door, since, by="ann"))
    bobs = {"Patient/history-bob/1", "Flag/flag-history-bob/1", "Flag/flag-history-bob/2"}
    anns = {one.replace("bob", "ann") for one in bobs}
    assert (ann & bobs, ann >= anns, "Organization/history-open/1" in ann) == (set(), True, True)
    doctor = set(await leafed(door, since, by="doctor"))
    assert (doctor & anns, doctor >= bobs) == (set(), True)
    admin = set(await leafed(door, since, by="admin"))
    assert (admin & (anns | bobs), "Organization/history-open/1" in admin) == (set(), True)
    assert set(await leafed(door, since)) >= anns | bobs
    stranger = await door.ask("GET", "/fhir/_history")
    assert stranger.status == 401


async def test_a_page_link_serves_its_own_history_alone(door: RoomDoor, appointments: Database) -> None:
    """A link of one history opens no other one, and none for another account."""
    await kept(appointments, "bound", times=3, at=datetime(2026, 1, 3, tzinfo=UTC))
    bundle = await history(door, "Organization/bound/_history?_count=1")
    sealed = next(link["url"] for link in bundle["link"] if link["relation"] == "next").partition("?")[2]
    for place, by in (("Organization/_history", "system"), ("Organization/bound/_history", "admin")):
        answer = await door.ask("GET", f"/fhir/{place}?{sealed}", by=by)
        assert (answer.status, answer.codes) == (400, ["page-unreadable"])


async def test_nothing_is_shown_past_a_transaction_that_still_writes(door: RoomDoor, appointments: Database) -> None:
    """A version that was committed after an older, still open one waits for it; from the horizon on none is missed."""
    room = room_of(type("Asked", (), {"app": door.app})())
    before = room.clock.now()
    async with appointments.transaction() as slow:
        await create(slow, hospital("slow"), id="slow", now=room.clock.now())
        async with room.database.transaction() as tx:
            await create(tx, hospital("quick"), id="quick", now=room.clock.now())
        since = before.isoformat().replace("+00:00", "Z")
        for place in ("Organization/_history", "_history"):
            bundle = await history(door, f"{place}?_since={since}")
            assert not {"Organization/slow/1", "Organization/quick/1"} & set(versions(bundle))
        horizon = bundle["meta"]["lastUpdated"]
        assert versions(await history(door, "Organization/quick/_history")) == ["Organization/quick/1"]
    for place in ("Organization/_history", "_history"):
        after = await leafed(door, f"{place}?_since={horizon}")
        assert {"Organization/slow/1", "Organization/quick/1"} <= set(after)


async def test_who_follows_by_the_newest_instant_seen_misses_nothing(door: RoomDoor, appointments: Database) -> None:
    """While eight writers commit in any order, a reader goes on from the newest lastUpdated it saw, and sees all."""
    dice, clock = random.Random(7), door.app.state.room.clock  # noqa: S311 - any order will do
    start = since = clock.now().isoformat().replace("+00:00", "Z")
    seen: set[str] = set()

    async def write(writer: int) -> None:
        for n in range(12):
            async with appointments.transaction() as tx:
                id_ = f"follow-{writer}-{n}"
                await create(tx, hospital(id_), id=id_, now=clock.now())
                await asyncio.sleep(dice.random() / 30)

    async def follow(writers: Iterable["asyncio.Task[None]"]) -> None:
        nonlocal since
        last = False
        while not last:
            last = all(writer.done() for writer in writers)
            bundle = await history(door, f"Organization/_history?_since={since}&_count=200")
            seen.update(versions(bundle))
            since = max([since, *(e["resource"]["meta"]["lastUpdated"] for e in bundle.get("entry", ()))])

    tasks = [asyncio.create_task(write(writer)) for writer in range(8)]
    await follow(tasks)
    await asyncio.gather(*tasks)
    assert start < since
    assert {one for one in seen if "follow-" in one} == {
        f"Organization/follow-{writer}-{n}/1" for writer in range(8) for n in range(12)
    }


async def test_the_horizon_is_the_oldest_open_transactions_beginning(
    record: Settings, appointments: Database, patients: Database
) -> None:
    """Open transactions of rooms hold it back, whoever asks; those of others, and the asker's own, do not."""
    now, zero = datetime.now(UTC), timedelta()
    owner = await connect_as("yuzhen_owner", record)
    try:
        async with owner.transaction(), patients.reading() as asking:
            free = await settled(asking, now=now, tolerance=zero)
            assert free == now.replace(microsecond=now.microsecond // 1000 * 1000)
            async with appointments.transaction():
                await asyncio.sleep(0.05)
                held = await settled(asking, now=now, tolerance=zero)
                assert held <= now - timedelta(milliseconds=50)
                async with patients.transaction(patient="ann") as reader:
                    assert await settled(reader, now=now, tolerance=zero) <= held
            assert await settled(asking, now=now, tolerance=timedelta(seconds=1)) <= now - timedelta(seconds=1)
    finally:
        await owner.close()


async def test_every_history_is_recorded_with_whose_record_it_showed(door: RoomDoor, patients: Database) -> None:
    """One resource's history names it; those of type and record have a row for each patient, and a digest."""
    now = datetime.now(UTC)
    async with patients.transaction() as tx:
        for name in ("audit-ann", "audit-bob"):
            await create(tx, {"resourceType": "Patient", "id": name}, id=f"history-{name}", now=now)
    since = f"_since={now.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
    await door.ask("GET", f"/fhir/_history?{since}", by="system", x_request_id="history-system")
    await door.ask("GET", "/fhir/Organization/_history", by="admin", x_request_id="history-type")
    async with door.app.state.room.database.transaction() as tx:
        await create(tx, hospital("recorded"), id="recorded", now=now)
    await door.ask("GET", "/fhir/Organization/recorded/_history", by="admin", x_request_id="history-instance")
    async with patients.reading() as reading:
        rows = await reading.raw.fetch(
            "select interaction, type, entity, patient, query is not null as searched from record.audit"
            " where request like 'history-%' order by interaction, patient"
        )
    told = [tuple(row) for row in rows]
    assert ("history-instance", "Organization", "Organization/recorded", None, False) in told
    assert ("history-type", "Organization", "", None, True) in told
    shown = {row[3] for row in told if row[0] == "history-system"}
    assert {"history-audit-ann", "history-audit-bob"} <= shown
