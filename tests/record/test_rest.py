"""The FHIR routes, asked as a client asks."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pytest

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.service import Room
from kernel.settings import Settings
from record.interactions.cases import NotOffered
from record.rest import fhir_routes
from record.stored import Stored
from record.write import create
from tests.support.record import RoomDoor, account, door_of

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("admin", Role.ADMIN),
    account("eve", Role.PATIENT, fhir_user="Patient/eve"),
    account("finn", Role.PATIENT, fhir_user="Patient/finn"),
    account("doctor", Role.PRACTITIONER, fhir_user="Practitioner/d", clinics=("HealthcareService/rest",)),
    account("pharmacist", Role.PHARMACIST, fhir_user="Practitioner/p", organization="Organization/rest"),
]


async def booked(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    """A room's own way of entering an appointment: it says who entered it."""
    return await create(tx, {**resource, "comment": f"by {by.account}"}, id=id, now=room.clock.now())


@pytest.fixture
async def appointments(record: Settings) -> AsyncIterator[RoomDoor]:
    """The appointments room; an appointment's creation is a use case, a slot is never created from outside."""
    routers = fhir_routes(
        "appointments", creates={"Appointment": booked, "Slot": NotOffered("the release of the rota")}
    )
    async with door_of("appointments", record, routers=routers, accounts=ACCOUNTS) as door:
        yield door


def hospital(name: str = "渝中医院") -> dict[str, Any]:
    """An organization."""
    return {"resourceType": "Organization", "name": name, "active": True}


def appointment(patient: str = "eve") -> dict[str, Any]:
    """A proposed appointment."""
    who = [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}]
    return {"resourceType": "Appointment", "status": "proposed", "participant": who}


async def test_a_resource_is_created_read_updated_and_deleted(appointments: RoomDoor) -> None:
    """The whole way of a resource over HTTP, with its ETags, its Location and its end."""
    made = await appointments.ask("POST", "/fhir/Organization", by="admin", body=hospital())
    assert made.status == 201
    id_ = made.json["id"]
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["location"].endswith(f"/fhir/Organization/{id_}/_history/1")
    place = f"/fhir/Organization/{id_}"
    read = await appointments.ask("GET", place, by="eve")
    assert (read.status, read.body) == (200, made.body)
    assert read.headers["content-type"] == "application/fhir+json"
    assert "last-modified" in read.headers
    changed = await appointments.ask("PUT", place, by="admin", body={**hospital("新名"), "id": id_}, if_match='W/"1"')
    assert (changed.status, changed.headers["etag"]) == (200, 'W/"2"')
    first = await appointments.ask("GET", f"{place}/_history/1", by="eve")
    assert first.body == made.body
    stale = await appointments.ask("PUT", place, by="admin", body={**hospital(), "id": id_}, if_match='W/"1"')
    assert (stale.status, stale.codes) == (412, ["version-stale"])
    assert (await appointments.ask("DELETE", place, by="admin", if_match='W/"2"')).status == 204
    assert (await appointments.ask("DELETE", place, by="admin")).status == 204
    gone = await appointments.ask("GET", place, by="eve")
    assert (gone.status, gone.codes) == (410, ["resource-deleted"])
    past = await appointments.ask("GET", f"{place}/_history", by="eve")
    said = [(e["request"]["method"], e["response"]["etag"], "resource" in e) for e in past.json["entry"]]
    assert said == [("DELETE", 'W/"3"', False), ("PUT", 'W/"2"', True), ("POST", 'W/"1"', True)]
    assert past.json["total"] == 3


async def test_a_client_that_has_the_version_gets_304(appointments: RoomDoor) -> None:
    """If-None-Match and If-Modified-Since spare the body, and only for the version in force."""
    made = await appointments.ask("POST", "/fhir/Organization", by="admin", body=hospital())
    place = f"/fhir/Organization/{made.json['id']}"
    same = await appointments.ask("GET", place, by="eve", if_none_match='W/"1"')
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", 'W/"1"')
    assert (await appointments.ask("GET", place, by="eve", if_none_match='"0", "1"')).status == 304
    assert (await appointments.ask("GET", place, by="eve", if_none_match='W/"2"')).status == 200
    since = made.headers["last-modified"]
    assert (await appointments.ask("GET", place, by="eve", if_modified_since=since)).status == 304
    assert (
        await appointments.ask("GET", place, by="eve", if_modified_since="Mon, 01 Jan 2001 00:00:00 GMT")
    ).status == 200
    assert (await appointments.ask("GET", place, by="eve", if_modified_since="nonsense")).status == 200
    assert (await appointments.ask("HEAD", place, by="eve")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "by", "extra", "status", "code"),
    [
        ("GET", "/fhir/Organization/none", "eve", {}, 404, "resource-unknown"),
        ("GET", "/fhir/Organization/none/_history", "eve", {}, 404, "resource-unknown"),
        ("GET", "/fhir/Organization/none/_history/1", "eve", {}, 404, "resource-unknown"),
        ("GET", "/fhir/Organization/a_b", "eve", {}, 404, "not-found"),
        ("GET", "/fhir/Nothing", "eve", {}, 404, "not-found"),
        ("GET", "/fhir/Organization?nonsense=1", "eve", {}, 400, "parameter-unknown"),
        ("GET", "/fhir/Organization/x?name=1", "eve", {}, 400, "parameter-unknown"),
        ("GET", "/fhir/Organization?_page=abc", "eve", {}, 400, "page-unreadable"),
        ("GET", "/fhir/Organization/_history?_since=soon", "eve", {}, 400, "value-unreadable"),
        ("GET", "/fhir/Organization/_history?_sort=x", "eve", {}, 400, "parameter-unknown"),
        ("GET", "/fhir/Organization/_history?_until=2026", "eve", {}, 400, "parameter-unknown"),
        ("GET", "/fhir/Organization/_history?_at=2026", "eve", {}, 400, "parameter-unknown"),
        ("GET", "/fhir/_history?_count=0", "eve", {}, 400, "value-unreadable"),
        ("GET", "/fhir/Organization/x?_summary=count", "eve", {}, 400, "value-unreadable"),
        ("GET", "/fhir/Organization?_summary=some", "eve", {}, 400, "value-unreadable"),
        ("GET", "/fhir/Organization?_elements=nonsense", "eve", {}, 400, "parameter-unknown"),
        ("GET", "/fhir/Organization?_elements=name,", "eve", {}, 400, "value-unreadable"),
        ("GET", "/fhir/Organization?_elements=name&_summary=true", "eve", {}, 400, "value-unreadable"),
        ("GET", "/fhir/Organization", "eve", {"accept": "application/fhir+xml"}, 406, "not-acceptable"),
        ("GET", "/fhir/Organization?_format=xml", "eve", {}, 406, "not-acceptable"),
        (
            "GET",
            "/fhir/Organization",
            "eve",
            {"accept": "application/fhir+json; fhirVersion=3.0"},
            406,
            "not-acceptable",
        ),
        ("GET", "/fhir/Organization", None, {}, 401, "token-missing"),
        ("PUT", "/fhir/Organization", "admin", {"body": hospital()}, 400, "criteria-missing"),
        ("POST", "/fhir/Organization", "eve", {"body": hospital()}, 403, "forbidden"),
        ("POST", "/fhir/Organization", "admin", {"body": b"{"}, 400, "not-json"),
        ("POST", "/fhir/Organization", "admin", {"body": appointment()}, 400, "id-mismatch"),
        (
            "POST",
            "/fhir/Organization",
            "admin",
            {"body": hospital(), "content_type": "text/plain"},
            415,
            "unsupported-media-type",
        ),
        (
            "POST",
            "/fhir/Organization",
            "admin",
            {"body": hospital(), "if_none_exist": "_count=1"},
            400,
            "criteria-unreadable",
        ),
        ("POST", "/fhir/Organization", "admin", {"body": {"resourceType": "Organization"}}, 422, "invariant-broken"),
        ("PUT", "/fhir/Organization/new", "admin", {"body": {**hospital(), "id": "new"}}, 405, "id-not-offered"),
        ("PUT", "/fhir/Organization/new", "admin", {"body": {**hospital(), "id": "old"}}, 400, "id-mismatch"),
        (
            "PUT",
            "/fhir/Organization/new",
            "admin",
            {"body": {**hospital(), "id": "new"}, "if_match": "1"},
            400,
            "precondition-unreadable",
        ),
        ("DELETE", "/fhir/Organization/none", "admin", {}, 404, "resource-unknown"),
        ("POST", "/fhir/Slot", "admin", {"body": b"{}"}, 405, "write-not-offered"),
        (
            "POST",
            "/fhir/Organization/_search",
            "eve",
            {"body": b"name=x", "content_type": "text/plain"},
            415,
            "unsupported-media-type",
        ),
    ],
)
async def test_each_refusal_is_one_clear_outcome(
    appointments: RoomDoor, method: str, path: str, by: str | None, extra: dict[str, Any], status: int, code: str
) -> None:
    """Every refusal is an OperationOutcome with its status and its own code."""
    answer = await appointments.ask(method, path, by=by, **extra)
    assert answer.status == status
    assert answer.json["resourceType"] == "OperationOutcome"
    assert answer.codes == [code]
    assert answer.headers["content-type"] == "application/fhir+json"


async def test_a_use_case_takes_the_place_of_the_plain_write(appointments: RoomDoor) -> None:
    """A type with behaviour is entered by its room's use case; what is not offered names what to use instead."""
    made = await appointments.ask("POST", "/fhir/Appointment", by="eve", body=appointment())
    assert (made.status, made.json["comment"]) == (201, "by eve")
    slot = await appointments.ask("POST", "/fhir/Slot", by="system", body=b"{}")
    assert slot.json["issue"][0]["diagnostics"] == "Use the release of the rota."


async def test_a_client_chooses_how_much_comes_back(appointments: RoomDoor) -> None:
    """Prefer: return=minimal answers without a body, return=OperationOutcome with one."""
    for preference, type_ in (
        ("minimal", None),
        ("OperationOutcome", "OperationOutcome"),
        ("representation", "Organization"),
    ):
        made = await appointments.ask(
            "POST", "/fhir/Organization", by="admin", body=hospital(), prefer=f"return={preference}"
        )
        assert made.status == 201
        assert (orjson.loads(made.body)["resourceType"] if made.body else None) == type_
        assert made.headers["location"]


async def test_pages_follow_links_that_hold_no_search_value(appointments: RoomDoor) -> None:
    """The next link leads on to the end, shows nothing of what was asked, and works for its own account only."""
    for n in range(5):
        await appointments.ask("POST", "/fhir/Organization", by="admin", body=hospital(f"页医院{n}"))
    path, found = f"/fhir/Organization?name={quote('页医院')}&_count=2", []
    while path:
        page = await appointments.ask("GET", path, by="eve")
        assert page.status == 200
        found += [entry["resource"]["name"] for entry in page.json["entry"]]
        links = {link["relation"]: link["url"] for link in page.json["link"]}
        assert not any(quote("页医院") in url or "页" in url for url in links.values())
        following = urlsplit(links["next"]) if "next" in links else None
        path = f"{following.path}?{following.query}" if following else ""
        if path:
            stolen = await appointments.ask("GET", path, by="finn")
            assert (stolen.status, stolen.codes) == (400, ["page-unreadable"])
    assert sorted(found) == [f"页医院{n}" for n in range(5)]


async def test_a_search_by_form_is_the_same_search(appointments: RoomDoor) -> None:
    """POST _search finds what GET finds; a refused parameter is refused there too; leniency is said in the answer."""
    await appointments.ask("POST", "/fhir/Organization", by="admin", body=hospital("表单医院"))
    form = {"content_type": "application/x-www-form-urlencoded"}
    body = f"name={quote('表单')}".encode()
    by_form = await appointments.ask("POST", "/fhir/Organization/_search", by="eve", body=body, **form)
    assert [entry["resource"]["name"] for entry in by_form.json["entry"]] == ["表单医院"]
    strict = await appointments.ask("POST", "/fhir/Organization/_search", by="eve", body=body + b"&x=1", **form)
    assert strict.codes == ["parameter-unknown"]
    lenient = await appointments.ask(
        "POST", "/fhir/Organization/_search", by="eve", body=body + b"&x=1", prefer="handling=lenient", **form
    )
    modes = [entry["search"]["mode"] for entry in lenient.json["entry"]]
    assert modes == ["match", "outcome"]
    bare = await appointments.ask("POST", f"/fhir/Organization/_search?{body.decode()}", by="eve", content_type="")
    assert [entry["resource"]["name"] for entry in bare.json["entry"]] == ["表单医院"]


@pytest.mark.parametrize(
    ("method", "path", "offered"),
    [
        ("POST", "/fhir/Organization/x", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("POST", "/fhir/Slot", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("PUT", "/fhir/Organization/x/_history", {"GET", "HEAD"}),
        ("GET", "/fhir/Organization/_search", {"POST"}),
    ],
)
async def test_a_wrong_method_learns_the_right_ones(
    appointments: RoomDoor, method: str, path: str, offered: set[str]
) -> None:
    """Allow lists what is offered at the address, over all its routes, and nothing that is refused for the type."""
    answer = await appointments.ask(method, path, by="system", body=hospital())
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == offered


async def test_a_refused_command_leaves_nothing_behind(appointments: RoomDoor) -> None:
    """Nothing is written when a request is refused: the type's history is as before."""
    before = await appointments.ask("GET", "/fhir/Appointment?_count=0", by="system")
    wrong = await appointments.ask("POST", "/fhir/Appointment", by="eve", body={**appointment(), "status": "odd"})
    assert (wrong.status, wrong.codes) == (400, ["code-invalid"])
    after = await appointments.ask("GET", "/fhir/Appointment?_count=0", by="system")
    assert before.json["total"] == after.json["total"]


async def test_the_history_of_a_type_goes_page_by_page(appointments: RoomDoor) -> None:
    """All versions of a type's resources come newest first, each once, over pages."""
    made = [
        await appointments.ask(
            "POST", "/fhir/Location", by="admin", body={"resourceType": "Location", "name": f"楼{n}"}
        )
        for n in range(3)
    ]
    id_ = made[0].json["id"]
    await appointments.ask(
        "PUT", f"/fhir/Location/{id_}", by="admin", body={"resourceType": "Location", "name": "楼", "id": id_}
    )
    path, seen = "/fhir/Location/_history?_count=2", []
    while path:
        page = await appointments.ask("GET", path, by="eve")
        seen += [(e["resource"]["id"], e["resource"]["meta"]["versionId"]) for e in page.json["entry"]]
        links = {link["relation"]: link["url"] for link in page.json["link"]}
        following = urlsplit(links["next"]) if "next" in links else None
        path = f"{following.path}?{following.query}" if following else ""
    assert len(seen) == len(set(seen)) == 4
    assert (id_, "2") in seen
    assert (id_, "1") in seen
