"""Conditional interactions, asked as a client asks, and the races they must survive."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from kernel.auth.principal import Role
from kernel.database import Database
from kernel.settings import Settings
from record.interactions.conditional import criteria, hold
from record.rest import fhir_routes
from tests.support.postgres import database_of
from tests.support.record import RoomDoor, account, door_of

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("admin", Role.ADMIN),
    account("eve", Role.PATIENT, fhir_user="Patient/eve"),
    account("doctor", Role.PRACTITIONER, fhir_user="Practitioner/d", clinics=("HealthcareService/conditional",)),
]
NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
MRN = "https://hospital.example/conditional"


@pytest.fixture
async def door(record: Settings) -> AsyncIterator[RoomDoor]:
    """The appointments room with plain writes."""
    async with door_of("appointments", record, routers=fhir_routes("appointments"), accounts=ACCOUNTS) as opened:
        yield opened


def hospital(number: str, name: str = "渝中医院", **more: Any) -> dict[str, Any]:
    """An organization with a number of its own."""
    return {
        "resourceType": "Organization",
        "identifier": [{"system": MRN, "value": number}],
        "name": name,
        "active": True,
        **more,
    }


async def count(door: RoomDoor, number: str) -> int:
    """How many organizations have this number."""
    found = await door.ask("GET", f"/fhir/Organization?identifier={MRN}|{number}&_total=accurate", by="admin")
    return int(found.json["total"])


async def test_a_conditional_create_finds_the_one_that_is_there(door: RoomDoor) -> None:
    """The first If-None-Exist creates, the second is answered with what the first made, several matches stop it."""
    wanted: dict[str, Any] = {"by": "admin", "if_none_exist": f"identifier={MRN}|create"}
    first = await door.ask("POST", "/fhir/Organization", body=hospital("create"), **wanted)
    again = await door.ask("POST", "/fhir/Organization", body=hospital("create", "another"), **wanted)
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert again.headers["location"] == first.headers["location"]
    await door.ask("POST", "/fhir/Organization", body=hospital("create"), by="admin")
    several = await door.ask("POST", "/fhir/Organization", body=hospital("create"), **wanted)
    assert (several.status, several.codes) == (412, ["multiple-matches"])
    assert await count(door, "create") == 2


@pytest.mark.parametrize("spelt", ["identifier={0}|{1}", "identifier={1}", "?identifier={0}|{1}"])
async def test_one_of_many_equal_creates_wins(door: RoomDoor, spelt: str) -> None:
    """Sixteen connections with one If-None-Exist make one resource, round after round, however they spell it."""
    for round_ in range(20 if spelt.startswith("identifier={0}") else 3):
        number = f"race-{len(spelt)}-{round_}"
        wanted = [spelt.format(MRN, number), f"identifier={MRN}|{number}"]
        answers = await asyncio.gather(
            *(
                door.ask(
                    "POST", "/fhir/Organization", by="admin", body=hospital(number), if_none_exist=wanted[caller % 2]
                )
                for caller in range(16)
            )
        )
        assert sorted(answer.status for answer in answers) == [200] * 15 + [201]
        assert len({answer.json["id"] for answer in answers}) == 1


async def test_twins_of_one_put_make_one_resource(door: RoomDoor) -> None:
    """Sixteen systems that put one unknown id at once make versions of one resource, none is refused."""
    for round_ in range(3):
        id_ = f"twin-{round_}"
        body = hospital(id_) | {"id": id_}
        answers = await asyncio.gather(
            *(door.ask("PUT", f"/fhir/Organization/{id_}", by="system", body=body) for _ in range(16))
        )
        assert sorted(answer.status for answer in answers) == [200] * 15 + [201]
        assert {answer.headers["etag"] for answer in answers} == {f'W/"{n}"' for n in range(1, 17)}


async def test_equal_conditional_updates_make_one_resource(door: RoomDoor) -> None:
    """Sixteen conditional updates of what is not there create it once and replace it fifteen times."""
    for round_ in range(5):
        number = f"upsert-{round_}"
        place = f"/fhir/Organization?identifier={MRN}|{number}"
        answers = await asyncio.gather(*(door.ask("PUT", place, by="admin", body=hospital(number)) for _ in range(16)))
        assert sorted(answer.status for answer in answers) == [200] * 15 + [201]
        assert await count(door, number) == 1


async def test_a_conditional_update_replaces_the_one_that_fits(door: RoomDoor) -> None:
    """None: created; one: replaced, with or without its id in the body; several or another's id: refused."""
    place = f"/fhir/Organization?identifier={MRN}|update"
    made = await door.ask("PUT", place, by="admin", body=hospital("update"))
    assert made.status == 201
    bare = await door.ask("PUT", place, by="admin", body=hospital("update", "second"))
    named = await door.ask("PUT", place, by="admin", body=hospital("update", "third", id=made.json["id"]))
    assert [(one.status, one.json["id"], one.json["name"]) for one in (bare, named)] == [
        (200, made.json["id"], "second"),
        (200, made.json["id"], "third"),
    ]
    assert named.headers["location"].endswith(f"Organization/{made.json['id']}/_history/3")
    wrong = await door.ask("PUT", place, by="admin", body=hospital("update", id="other"))
    assert (wrong.status, wrong.codes) == (400, ["id-mismatch"])
    stale = await door.ask("PUT", place, by="admin", body=hospital("update"), if_match='W/"1"')
    assert (stale.status, stale.codes) == (412, ["version-stale"])
    await door.ask("POST", "/fhir/Organization", by="admin", body=hospital("update"))
    several = await door.ask("PUT", place, by="admin", body=hospital("update"))
    assert (several.status, several.codes) == (412, ["multiple-matches"])


async def test_only_a_system_brings_ids_along(door: RoomDoor) -> None:
    """A client's own id is taken from a system alone, by id and by criteria, and never where it is taken."""
    body = hospital("own", id="brought")
    refused = await door.ask("PUT", "/fhir/Organization/brought", by="admin", body=body)
    assert (refused.status, refused.codes) == (405, ["id-not-offered"])
    refused = await door.ask("PUT", f"/fhir/Organization?identifier={MRN}|own", by="admin", body=body)
    assert (refused.status, refused.codes) == (405, ["id-not-offered"])
    made = await door.ask("PUT", f"/fhir/Organization?identifier={MRN}|own", by="system", body=body)
    assert (made.status, made.json["id"], made.headers["etag"]) == (201, "brought", 'W/"1"')
    other = await door.ask("PUT", f"/fhir/Organization?identifier={MRN}|other", by="system", body=body)
    assert (other.status, other.codes) == (409, ["id-taken"])
    by_id = await door.ask("PUT", "/fhir/Organization/by-id", by="system", body=hospital("by-id", id="by-id"))
    assert (by_id.status, by_id.headers["etag"]) == (201, 'W/"1"')
    absent = await door.ask("PUT", "/fhir/Organization/no", by="system", body=hospital("no", id="no"), if_match='W/"1"')
    assert (absent.status, absent.codes) == (412, ["version-stale"])


async def test_a_put_may_be_meant_for_what_is_not_there_alone(door: RoomDoor) -> None:
    """If-None-Match: * creates, and never replaces; another value is refused."""
    body = hospital("fresh", id="fresh")
    place = "/fhir/Organization/fresh"
    answers = [await door.ask("PUT", place, by="system", body=body, if_none_match="*") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 412]
    assert answers[1].codes == ["exists-already"]
    odd = await door.ask("PUT", place, by="system", body=body, if_none_match='W/"1"')
    assert (odd.status, odd.codes) == (400, ["precondition-unreadable"])


async def test_a_conditional_delete_takes_the_one_that_fits(door: RoomDoor) -> None:
    """None: nothing to do; several: refused and untouched; one: deleted, under If-Match if the client says so."""
    place = f"/fhir/Organization?identifier={MRN}|delete"
    assert (await door.ask("DELETE", place, by="admin")).status == 204
    first = await door.ask("POST", "/fhir/Organization", by="admin", body=hospital("delete"))
    second = await door.ask("POST", "/fhir/Organization", by="admin", body=hospital("delete"))
    several = await door.ask("DELETE", place, by="admin")
    assert (several.status, several.codes) == (412, ["multiple-matches"])
    assert await count(door, "delete") == 2
    await door.ask("DELETE", f"/fhir/Organization/{first.json['id']}", by="admin")
    stale = await door.ask("DELETE", place, by="admin", if_match='W/"7"')
    assert (stale.status, stale.codes) == (412, ["version-stale"])
    gone = await door.ask("DELETE", place, by="admin", if_match='W/"1"')
    assert (gone.status, gone.headers["etag"]) == (204, 'W/"2"')
    assert (await door.ask("GET", f"/fhir/Organization/{second.json['id']}", by="admin")).status == 410


async def test_a_conditional_patch_changes_the_one_that_fits(door: RoomDoor) -> None:
    """One: patched; none: 404, since there is nothing to patch; several: refused."""
    place = f"/fhir/Organization?identifier={MRN}|patch"
    change: dict[str, Any] = {
        "by": "admin",
        "body": {"name": "patched"},
        "content_type": "application/merge-patch+json",
    }
    none = await door.ask("PATCH", place, **change)
    assert (none.status, none.codes) == (404, ["resource-unknown"])
    await door.ask("POST", "/fhir/Organization", by="admin", body=hospital("patch"))
    done = await door.ask("PATCH", place, **change)
    assert (done.status, done.json["name"], done.headers["etag"]) == (200, "patched", 'W/"2"')
    await door.ask("POST", "/fhir/Organization", by="admin", body=hospital("patch"))
    several = await door.ask("PATCH", place, **change)
    assert (several.status, several.codes) == (412, ["multiple-matches"])


@pytest.mark.parametrize(
    ("method", "where", "headers", "status", "code"),
    [
        ("PUT", "", {}, 400, "criteria-missing"),
        ("PATCH", "", {}, 400, "criteria-missing"),
        ("DELETE", "", {}, 400, "criteria-missing"),
        ("DELETE", "?_count=1", {}, 400, "criteria-unreadable"),
        ("DELETE", "?_include=Organization:partof", {}, 400, "criteria-unreadable"),
        ("DELETE", "?nonsense=1", {}, 400, "parameter-unknown"),
        ("DELETE", "?nonsense=1", {"prefer": "handling=lenient"}, 400, "parameter-unknown"),
        ("DELETE", "?name=", {}, 400, "value-unreadable"),
        ("DELETE", "?" + "&".join(["name=x"] * 21), {}, 400, "criteria-unreadable"),
        ("DELETE", "/x?name=x", {}, 400, "parameter-unknown"),
        ("POST", "?name=x", {}, 400, "parameter-unknown"),
        ("POST", "", {"if_none_exist": ""}, 400, "criteria-missing"),
        ("POST", "", {"if_none_exist": "?"}, 400, "criteria-missing"),
        ("POST", "", {"if_none_exist": "identifier"}, 400, "criteria-unreadable"),
        ("POST", "", {"if_none_exist": "identifier=%ff"}, 400, "criteria-unreadable"),
        ("POST", "", {"if_none_exist": "identifier=%00"}, 400, "value-unreadable"),
        ("POST", "", {"if_none_exist": "nonsense=1"}, 400, "parameter-unknown"),
        ("POST", "", {"if_none_exist": "&".join(["a=b"] * 2000)}, 400, "criteria-unreadable"),
    ],
)
async def test_criteria_that_mean_nothing_change_nothing(
    door: RoomDoor, method: str, where: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Criteria that are missing, unknown or unreadable are refused in words, even for a lenient client."""
    form = "application/merge-patch+json" if method == "PATCH" else "application/fhir+json"
    body = hospital("nothing") if method != "DELETE" else b""
    answer = await door.ask(method, f"/fhir/Organization{where}", by="system", body=body, content_type=form, **headers)
    assert (answer.status, answer.codes) == (status, [code])
    assert await count(door, "nothing") == 0


async def test_if_match_guards_every_change(door: RoomDoor) -> None:
    """Of sixteen changes to one version, one is made: by PUT, by PATCH, by DELETE."""
    made = await door.ask("POST", "/fhir/Organization", by="admin", body=hospital("guard"))
    place, body = f"/fhir/Organization/{made.json['id']}", hospital("guard", id=made.json["id"])
    merge = "application/merge-patch+json"
    for version, method, form in ((1, "PUT", "application/fhir+json"), (2, "PATCH", merge), (3, "DELETE", merge)):
        answers = await asyncio.gather(
            *(
                door.ask(method, place, by="admin", body=body, content_type=form, if_match=f'W/"{version}"')
                for _ in range(16)
            )
        )
        done = [answer for answer in answers if answer.status in {200, 204}]
        # Whoever deletes what is deleted has nothing left to do.
        assert len({answer.headers.get("etag") for answer in done} - {None}) == 1
        assert method == "DELETE" or len(done) == 1
        assert {answer.status for answer in answers} - {200, 204} <= {412}


async def test_who_may_not_write_may_not_ask_by_writing(door: RoomDoor) -> None:
    """A conditional interaction tells a reader without the right to write nothing at all."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        place = "/fhir/Organization" + ("" if method == "POST" else "?name=x")
        answer = await door.ask(method, place, by="eve", body=hospital("eve"), if_none_exist="name=x")
        assert (answer.status, answer.codes) == (403, ["forbidden"])


async def test_every_conditional_change_is_recorded(door: RoomDoor) -> None:
    """What was made, found, replaced, patched and deleted by criteria each has its audit row, none a criterion."""
    place = f"/fhir/Organization?identifier={MRN}|audit"
    wanted: dict[str, Any] = {"by": "admin", "body": hospital("audit"), "if_none_exist": f"identifier={MRN}|audit"}
    first = await door.ask("POST", "/fhir/Organization", x_request_id="audited", **wanted)
    await door.ask("POST", "/fhir/Organization", x_request_id="audited", **wanted)
    await door.ask("PUT", place, by="admin", body=hospital("audit"), x_request_id="audited")
    merge = "application/merge-patch+json"
    await door.ask("PATCH", place, by="admin", body={"name": "x"}, content_type=merge, x_request_id="audited")
    for _ in range(2):
        await door.ask("DELETE", place, by="admin", x_request_id="audited")
    async with database_of("patients", door.app.state.room.settings) as database, database.reading() as tx:
        rows = await tx.raw.fetch(
            "select action, interaction, entity, version from record.audit where request = 'audited' order by at, id"
        )
    entity = f"Organization/{first.json['id']}"
    assert [tuple(row) for row in rows] == [
        ("C", "create", entity, 1),
        ("R", "create", entity, 1),
        ("U", "update", entity, 2),
        ("U", "patch", entity, 3),
        ("D", "delete", entity, 4),
        ("D", "delete", "", None),
    ]


def test_criteria_are_read_as_a_search_is_written() -> None:
    """With or without a type and a question mark in front; what stands after an equals sign is a value."""
    for text in ("identifier=http://x?y|1", "?identifier=http://x?y|1", "Patient?identifier=http://x?y|1"):
        assert criteria(text) == [("identifier", "http://x?y|1")]
    assert criteria(" name=a%20b&_tag=c ") == [("name", "a b"), ("_tag", "c")]


async def test_holds_are_taken_in_one_order(appointments: Database) -> None:
    """Two transactions that want the same things the other way round wait for one another, in no circle."""
    ways = [[("Organization", [("identifier", f"{MRN}|{n}")]) for n in range(20)], [("Location", [("name", "x")])]]

    async def holding(order: int) -> None:
        for _ in range(20):
            async with appointments.transaction() as tx:
                await hold(tx, [*ways[0], *ways[1]][::order], now=NOW)

    await asyncio.gather(*(holding(order) for order in (1, -1, 1, -1)))


async def test_criteria_without_an_exact_value_hold_the_type(appointments: Database) -> None:
    """A search by name waits for those that hold a value of the type, and they for it; another type goes on."""
    by_name, by_number = [("Organization", [("name", "x")])], [("Organization", [("identifier", f"{MRN}|hold")])]
    for first, second in ((by_name, by_number), (by_number, by_name)):
        async with appointments.transaction() as one:
            await hold(one, first, now=NOW)
            with pytest.raises(asyncpg.LockNotAvailableError):
                await _held_at_once(appointments, second)
            await _held_at_once(appointments, [("Location", [("identifier", f"{MRN}|hold")])])


async def _held_at_once(database: Database, holds: list[tuple[str, list[tuple[str, str]]]]) -> None:
    """Hold these without waiting long for anyone."""
    async with database.transaction() as tx:
        await tx.raw.execute("set local lock_timeout = '50ms'")
        await hold(tx, holds, now=NOW)
