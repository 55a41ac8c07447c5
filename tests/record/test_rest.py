"""The FHIR routes, asked as a client asks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pytest

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.service import Room
from kernel.settings import Settings
from record.care import entrust
from record.cases import NotOffered
from record.keys import own_base
from record.rest import fhir_routes
from record.stored import Stored
from record.write import create
from tests.support.postgres import database_of
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


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
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


async def test_a_patient_writes_into_the_own_record_alone(patients: RoomDoor, record: Settings) -> None:
    """A patient enters a document of the own, not of another's; the other's is as good as not there."""

    def document(patient: str) -> dict[str, Any]:
        content = [{"attachment": {"contentType": "text/plain", "data": "eA=="}}]
        who = {"reference": f"Patient/{patient}"}
        return {"resourceType": "DocumentReference", "status": "current", "subject": who, "content": content}

    made = await patients.ask("POST", "/fhir/DocumentReference", by="eve", body=document("eve"))
    assert made.status == 201
    other = await patients.ask("POST", "/fhir/DocumentReference", by="finn", body=document("eve"))
    assert (other.status, other.codes) == (403, ["not-yours"])
    place = f"/fhir/DocumentReference/{made.json['id']}"
    taken = await patients.ask("PUT", place, by="finn", body={**document("finn"), "id": made.json["id"]})
    assert (taken.status, taken.codes) == (405, ["id-not-offered"])
    assert (await patients.ask("DELETE", place, by="finn")).status == 404
    moved = await patients.ask("PUT", place, by="eve", body={**document("finn"), "id": made.json["id"]})
    assert (moved.status, moved.codes) == (422, ["patient-fixed"])
    nobody = await patients.ask(
        "POST", "/fhir/DocumentReference", by="eve", body={**document("eve"), "subject": {"display": "x"}}
    )
    assert (nobody.status, nobody.codes) == (400, ["patient-missing"])


async def test_a_practitioner_writes_for_patients_in_care(patients: RoomDoor, record: Settings) -> None:
    """A condition is entered once the clinic has the patient in care, not before."""
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/care"}, "code": {"text": "x"}}
    early = await patients.ask("POST", "/fhir/Condition", by="doctor", body=condition)
    assert (early.status, early.codes) == (403, ["not-yours"])
    async with database_of("consult", record, size=1) as database, database.transaction() as tx:
        await entrust(tx, clinic="HealthcareService/rest", patient="care", now=datetime(2026, 11, 25, tzinfo=UTC))
    made = await patients.ask("POST", "/fhir/Condition", by="doctor", body=condition)
    assert made.status == 201
    assert (await patients.ask("GET", "/fhir/Condition?patient=care", by="doctor")).json["entry"]
    assert "entry" not in (await patients.ask("GET", "/fhir/Condition?patient=care", by="pharmacist")).json
    assert (await patients.ask("GET", "/fhir/Condition?patient=care", by="admin")).status == 403


async def test_an_open_device_is_not_given_to_a_patient_by_an_administrator(patients: RoomDoor) -> None:
    """Who may not write into a patient's record does not move a thing of the directory there either."""
    device = {"resourceType": "Device", "status": "active"}
    made = await patients.ask("POST", "/fhir/Device", by="admin", body=device)
    place, given = f"/fhir/Device/{made.json['id']}", {"patient": {"reference": "Patient/eve"}}
    moved = await patients.ask("PUT", place, by="admin", body={**device, "id": made.json["id"], **given})
    assert (moved.status, moved.codes) == (403, ["not-yours"])
    merge = {"content_type": "application/merge-patch+json"}
    assert (await patients.ask("PATCH", place, by="admin", body=given, **merge)).status == 403
    assert (
        await patients.ask("PUT", place, by="system", body={**device, "id": made.json["id"], **given})
    ).status == 200
    assert (await patients.ask("GET", place, by="admin")).status == 404


@pytest.mark.parametrize("members", [["eve", "finn"], []])
async def test_what_is_one_patients_does_not_become_several_or_nobodys(patients: RoomDoor, members: list[str]) -> None:
    """A group of one patient does not take in a second whom the first would then see, nor lose the first."""

    def group(who: list[str]) -> dict[str, Any]:
        named = {"member": [{"entity": {"reference": f"Patient/{one}"}} for one in who]} if who else {}
        return {"resourceType": "Group", "type": "person", "actual": True, **named}

    made = await patients.ask("POST", "/fhir/Group", by="system", body=group(["eve"]))
    place = f"/fhir/Group/{made.json['id']}"
    grown = await patients.ask("PUT", place, by="system", body={**group(members), "id": made.json["id"]})
    assert (grown.status, grown.codes) == (422, ["patient-fixed"])
    assert (await patients.ask("GET", place, by="eve")).json["meta"]["versionId"] == "1"


async def test_an_address_of_our_own_is_a_reference_like_any_other(patients: RoomDoor) -> None:
    """A resource that names its patient by the whole address lies in the patient's record, and is found either way."""
    named = {"reference": f"{own_base()}Patient/eve/_history/1"}
    flag = {"resourceType": "Flag", "status": "active", "code": {"text": "own"}, "subject": named}
    eve = {"resourceType": "Patient", "id": "eve"}
    await patients.ask("PUT", "/fhir/Patient/eve", by="system", body=eve)
    made = await patients.ask("POST", "/fhir/Flag", by="system", body=flag)
    assert made.json["subject"] == named
    for spelling in ("eve", "Patient/eve", f"{own_base()}Patient/eve"):
        found = await patients.ask("GET", f"/fhir/Flag?patient={spelling}&_include=Flag:patient", by="eve")
        assert {made.json["id"], "eve"} <= {entry["resource"]["id"] for entry in found.json["entry"]}


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
