"""`$validate`: everything that speaks against a resource is said, and nothing is kept."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.conformance.capability import served
from record.ownership import owned_by, types
from record.rest import fhir_routes
from record.validation.pointing import NOT_FOUND
from tests.record.official import NOT_SOUND, examples, type_of
from tests.support.postgres import database_of
from tests.support.record import Answer, RoomDoor, account, door_of

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("admin", Role.ADMIN),
    account("vera", Role.PATIENT, fhir_user="Patient/vera"),
    account("walt", Role.PATIENT, fhir_user="Patient/walt"),
]
BASE = "http://hl7.org/fhir/StructureDefinition/"


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


@pytest.fixture
async def appointments(record: Settings) -> AsyncIterator[RoomDoor]:
    """The appointments room with plain writes."""
    async with door_of("appointments", record, routers=fhir_routes("appointments"), accounts=ACCOUNTS) as door:
        yield door


def observation(**change: Any) -> dict[str, Any]:
    """A sound observation."""
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **change}


def parameters(*given: dict[str, Any]) -> dict[str, Any]:
    """Parameters that hold these."""
    return {"resourceType": "Parameters", "parameter": list(given)}


def issues(answer: Answer) -> list[tuple[str, str, str | None]]:
    """Severity, code and place of every issue of a 200."""
    assert answer.status == 200, answer.body
    assert answer.json["resourceType"] == "OperationOutcome"
    return [(i["severity"], i["code"], i.get("expression", [None])[0]) for i in answer.json["issue"]]


OK = [("information", "informational", None)]
LOST = "not-found"


async def judged(door: RoomDoor, body: Any, *, type_: str = "Observation", by: str = "system", at: str = "") -> Any:
    """What is said to a body sent to the type, or to one of its resources."""
    return issues(await door.ask("POST", f"/fhir/{type_}{at}/$validate", by=by, body=body))


async def test_a_sound_resource_is_all_ok_by_itself_or_in_parameters(patients: RoomDoor) -> None:
    """Body or Parameters, mode and base profile by address or inside: one information says that all is well."""
    assert await judged(patients, observation()) == OK
    inside = {"name": "resource", "resource": observation()}
    assert await judged(patients, parameters(inside)) == OK
    mode, profile = {"name": "mode", "valueCode": "create"}, {"name": "profile", "valueUri": f"{BASE}Observation"}
    assert await judged(patients, parameters(mode, inside, profile)) == OK
    by_address = await patients.ask(
        "POST", f"/fhir/Observation/$validate?mode=create&profile={BASE}Observation", by="system", body=observation()
    )
    assert issues(by_address) == OK
    assert by_address.json["issue"][0]["details"]["text"] == "All OK"


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (observation(status="taken"), [("error", "code-invalid", "Observation.status")]),
        (observation(nonsense=1), [("error", "structure", "Observation")]),
        (observation(note=[]), [("error", "structure", "Observation.note")]),
        (
            observation(subject={"reference": "#gone"}),
            [("error", "invariant", "Observation.subject")],
        ),
        (
            {"resourceType": "Observation", "component": [{"valueString": "x"}]},
            [
                ("error", "structure", "Observation"),
                ("error", "structure", "Observation"),
                ("error", "structure", "Observation.component[0]"),
            ],
        ),
        ({"resourceType": "Patient"}, [("error", "invalid", "Observation")]),
        ({"resourceType": "Nothing"}, [("error", "invalid", "Observation")]),
        ({"status": "final"}, [("error", "invalid", "Observation")]),
    ],
)
async def test_each_fault_is_an_issue_at_its_place(patients: RoomDoor, resource: Any, said: Any) -> None:
    """Wrong codes, elements, shapes, rules and types are said in a 200, by itself and in Parameters alike."""
    assert await judged(patients, resource) == said
    if "note" not in resource:
        assert await judged(patients, parameters({"name": "resource", "resource": resource})) == said


async def test_a_target_that_is_hidden_and_one_that_is_missing_are_said_alike(patients: RoomDoor) -> None:
    """A reference into the record is looked up as far as the asker sees: a warning, whatever the reason."""
    for who in ("vera", "walt"):
        made = await patients.ask(
            "PUT", f"/fhir/Patient/{who}", by="system", body={"resourceType": "Patient", "id": who}
        )
        assert made.status in {200, 201}
    pointing = observation(
        subject={"reference": "Patient/walt"},
        performer=[{"reference": "Practitioner/nobody"}, {"reference": "https://elsewhere.example/Practitioner/1"}],
        contained=[{"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/unborn"}}],
        specimen={"reference": "#s"},
    )
    hidden = ("warning", LOST, "Observation.subject")
    others = [
        ("warning", LOST, "Observation.performer[0]"),
        ("warning", LOST, "Observation.contained[0].subject"),
    ]
    assert await judged(patients, pointing) == others
    assert await judged(patients, pointing, by="walt") == others
    assert await judged(patients, pointing, by="vera") == [hidden, *others]
    answer = await patients.ask("POST", "/fhir/Observation/$validate", by="vera", body=pointing)
    assert {issue["details"]["text"] for issue in answer.json["issue"]} == {NOT_FOUND}


async def test_a_broken_resource_is_still_asked_where_it_points(patients: RoomDoor) -> None:
    """Faults of the resource and lost references stand in one answer."""
    broken = observation(status="taken", subject={"reference": "Patient/nobody"}, focus="x", category=[[{}]])
    said = await judged(patients, {**broken, "category": [{"coding": 5}]})
    assert ("error", "code-invalid", "Observation.status") in said
    assert ("warning", LOST, "Observation.subject") in said


async def test_an_update_names_its_resource(patients: RoomDoor) -> None:
    """Mode update needs the id, and the one in the address where there is one; a create needs none."""
    made = await patients.ask("POST", "/fhir/Observation", by="system", body=observation())
    id_ = made.json["id"]
    update = {"name": "mode", "valueCode": "update"}
    wrong = [("error", "invalid", "Observation.id")]

    def inside(**change: Any) -> dict[str, Any]:
        return parameters(update, {"name": "resource", "resource": observation(**change)})

    assert await judged(patients, inside()) == wrong
    assert await judged(patients, inside(id="anything")) == OK
    assert await judged(patients, inside(id=id_), at=f"/{id_}") == OK
    assert await judged(patients, inside(id="another"), at=f"/{id_}") == wrong
    assert await judged(patients, inside(), at=f"/{id_}") == wrong
    assert await judged(patients, inside(id="unborn"), at="/unborn") == [("error", LOST, "Observation.id")]
    assert await judged(patients, observation(id="another"), at=f"/{id_}") == wrong
    assert await judged(patients, observation(), at=f"/{id_}") == OK


async def test_what_is_here_is_judged_as_it_stands(patients: RoomDoor) -> None:
    """With nothing sent, the resource in the address is judged, or whether it could be deleted."""
    made = await patients.ask(
        "POST", "/fhir/Observation", by="system", body=observation(subject={"reference": "Patient/nobody"})
    )
    place = f"/fhir/Observation/{made.json['id']}/$validate"
    assert issues(await patients.ask("POST", place, by="system")) == [("warning", LOST, "Observation.subject")]
    assert issues(await patients.ask("POST", f"{place}?mode=delete", by="system")) == OK
    for path in ("/fhir/Observation/unborn/$validate", "/fhir/Observation/unborn/$validate?mode=delete"):
        lost = await patients.ask("POST", path, by="system")
        assert (lost.status, lost.codes) == (404, ["resource-unknown"])
    hidden = await patients.ask("POST", place, by="vera")
    assert (hidden.status, hidden.codes) == (404, ["resource-unknown"])
    await patients.ask("DELETE", f"/fhir/Observation/{made.json['id']}", by="system")
    assert (await patients.ask("POST", place, by="system")).status == 410


@pytest.mark.parametrize(
    ("body", "query", "status", "code"),
    [
        (b"", "", 400, "resource-missing"),
        (b"{", "", 400, "not-json"),
        (parameters({"name": "mode", "valueCode": "create"}), "", 400, "resource-missing"),
        (parameters({"name": "mode"}), "", 422, "invariant-broken"),
        ({"resourceType": "Parameters", "parameter": "x"}, "", 400, "resource-invalid"),
        (parameters({"name": "mode", "valueCode": "taken"}), "", 400, "code-invalid"),
        (observation(), "?mode=taken", 400, "code-invalid"),
        (observation(), "?_count=1", 400, "operation-parameter-unknown"),
        (parameters({"name": "usage", "valueCode": "x"}), "", 400, "operation-parameter-unknown"),
        (parameters({"name": "other", "resource": observation()}), "", 400, "operation-parameter-unknown"),
        (parameters(*[{"name": "resource", "resource": observation()}] * 2), "", 400, "operation-parameter-unknown"),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused(
    patients: RoomDoor, body: Any, query: str, status: int, code: str
) -> None:
    """What is asked must be readable: then alone there is something to judge."""
    answer = await patients.ask("POST", f"/fhir/Observation/$validate{query}", by="system", body=body)
    assert (answer.status, answer.codes) == (status, [code])


async def test_a_further_profile_is_not_offered_and_said_so(patients: RoomDoor) -> None:
    """Beside what R4 itself has to say, a profile that is not looked at is an error, never silence."""
    profile = {"name": "profile", "valueUri": "http://example.org/StructureDefinition/mine"}
    inside = {"name": "resource", "resource": observation(status="taken")}
    assert await judged(patients, parameters(profile, inside)) == [
        ("error", "not-supported", "Observation"),
        ("error", "code-invalid", "Observation.status"),
    ]


async def test_another_form_is_refused_and_strangers_are_turned_away(patients: RoomDoor) -> None:
    """The usual doors stand before this one, too."""
    place = "/fhir/Observation/$validate"
    xml = await patients.ask("POST", place, by="system", body=b"<x/>", content_type="application/fhir+xml")
    assert xml.status == 415
    assert (await patients.ask("POST", place, body=observation())).status == 401
    assert (await patients.ask("POST", place, by="admin", body=observation())).status == 403


async def test_nothing_is_kept_but_that_it_was_asked(patients: RoomDoor, record: Settings) -> None:
    """A judged resource leaves no row, and one line in the audit."""
    body = observation(id="judged-only", subject={"reference": "Patient/vera"})
    await patients.ask("POST", "/fhir/Observation/$validate", by="vera", body=body, x_request_id="judged-once")
    assert (await patients.ask("GET", "/fhir/Observation/judged-only", by="system")).status == 404
    async with database_of("patients", record) as database, database.reading() as tx:
        rows = await tx.raw.fetch("select * from record.audit where request = 'judged-once'")
    assert [(r["account"], r["action"], r["interaction"], r["patient"]) for r in rows] == [
        ("vera", "E", "$validate", "vera")
    ]


async def test_an_audit_event_is_judged_too(patients: RoomDoor) -> None:
    """What the record itself writes down passes its own judgement."""
    await patients.ask("POST", "/fhir/Observation/$validate", by="system", body=observation())
    events = await patients.ask("GET", "/fhir/AuditEvent?_count=1", by="system")
    id_ = events.json["entry"][0]["resource"]["id"]
    said = issues(await patients.ask("POST", f"/fhir/AuditEvent/{id_}/$validate", by="system"))
    assert [one for one in said if one[0] == "error"] == []


async def test_every_type_is_judged_in_its_room(patients: RoomDoor, appointments: RoomDoor) -> None:
    """HL7's examples of each type of two rooms have no errors, and those that break their own definition have."""
    doors = {rules.type: patients for rules in owned_by("patients")}
    doors |= {rules.type: appointments for rules in owned_by("appointments")}
    first = {type_of(body): name for name, body in examples().items()}
    for name in {*first.values(), *NOT_SOUND}:
        if (type_ := type_of(examples()[name])) in doors:
            said = await judged(doors[type_], examples()[name], type_=type_)
            errors = [place for severity, _, place in said if severity == "error"]
            assert errors[:1] == [NOT_SOUND[name]] if name in NOT_SOUND else not errors, name


async def test_each_type_offers_it_for_all_and_for_one(patients: RoomDoor) -> None:
    """Every type of the room has both addresses."""
    offered = {(one.type, one.rest[:2]) for one in served(patients.app.routes) if one.rest.endswith("$validate")}
    mine = {rules.type for rules in types().values() if rules.owner == "patients"}
    assert offered == {(type_, "/$") for type_ in mine} | {(type_, "/{") for type_ in mine}
