"""Tests of registration: one person, one record, under a valid identity number (BOOK-01)."""

import asyncio
import itertools
import os
from typing import Any

import orjson
import pytest
from stdnum.cn import ric

from kernel.auth.principal import Principal, Role
from kernel.failures import Failure
from kernel.ids import derived
from kernel.settings import Settings
from record import read
from record.stored import Stored
from record.visible import Everything
from services.patients import policy, registering
from services.patients.failures import IdentityMissing, IdentityTaken, IdentityWrong, NotForPatients, OnlyByHospital
from tests.support.postgres import connect_as, database_of
from tests.support.rooms import principal, running, token_of
from tests.support.visits import NOW, transaction
from yuzhen.demo_city.patients import patient_resource, patients

KEY = "a key for tests"
SYSTEM = principal(Role.SYSTEM, account="registration-desk")

_sequence = itertools.count(1)


def identity_number() -> str:
    """A number nobody in this test run has."""
    body = f"500103{19300101 + os.getpid() % 28:08}{next(_sequence):03}"
    return body + str(ric.calc_check_digit(body + "0"))


def person(number: str | None = None, **changes: Any) -> dict[str, Any]:
    """A patient as the registration desk sends it."""
    number = number or identity_number()
    born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    return {
        "resourceType": "Patient",
        "identifier": [{"system": policy.IDENTITY_NUMBER, "value": number}],
        "name": [{"text": "何建国"}],
        "birthDate": born,
        "gender": "male",
        **changes,
    }


async def register(settings: Settings, resource: dict[str, Any], id: str, *, by: Principal = SYSTEM) -> Stored:
    async with transaction("patients", settings) as tx:
        body = orjson.dumps(resource)
        return await registering.register(tx, resource, body, id=id, key=KEY, by=by, now=NOW)


async def registered(settings: Settings) -> tuple[str, dict[str, Any]]:
    """A new patient: id and resource."""
    resource = person()
    id_ = derived("patient", resource["identifier"][0]["value"])
    return id_, (await register(settings, resource, id_)).resource


async def change(settings: Settings, resource: dict[str, Any], *, by: Principal) -> Stored:
    async with transaction("patients", settings) as tx:
        return await registering.change(
            tx, resource, orjson.dumps(resource), id=resource["id"], expected=None, key=KEY, by=by, now=NOW
        )


async def test_book_01_sixteen_at_once(migrated: Settings) -> None:
    """Sixteen registrations of one identity number at once make one patient; the others are told it is there."""
    resource, ids = person(), [f"twin-{os.getpid()}-{n}" for n in range(16)]

    async def one(id_: str) -> str:
        async with database.transaction() as tx:
            body = orjson.dumps(resource)
            return (await registering.register(tx, resource, body, id=id_, key=KEY, by=SYSTEM, now=NOW)).id

    async with database_of("patients", migrated, size=16) as database:
        ends = await asyncio.gather(*(one(id_) for id_ in ids), return_exceptions=True)
        async with database.transaction() as tx:
            entered = await read.read_many(tx, "Patient", ids, visible=Everything())
    assert len(entered) == 1
    assert [end for end in ends if isinstance(end, str)] == [entered[0].id]
    assert sum(isinstance(end, IdentityTaken) for end in ends) == 15


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"identifier": []}, IdentityMissing),
        ({"identifier": [{"value": "1"}]}, IdentityMissing),
        ({"identifier": [{"system": policy.IDENTITY_NUMBER, "value": "500103193001010019"}]}, IdentityWrong),
        ({"identifier": [{"system": policy.IDENTITY_NUMBER, "value": "11010519491231002x"}]}, IdentityWrong),
        ({"identifier": [{"system": policy.IDENTITY_NUMBER, "value": "110105194912310021"}]}, IdentityWrong),
        ({"birthDate": "1962-05-17"}, IdentityWrong),
    ],
)
async def test_book_01_unusable_identity(migrated: Settings, changes: dict[str, Any], refusal: type[Failure]) -> None:
    """Without an identifier, or with an identity number that is wrong or another's, nobody is registered."""
    with pytest.raises(refusal) as refused:
        await register(migrated, person(**changes), "nobody")
    assert "BOOK-01" in refused.value.diagnostics
    assert refused.value.code.startswith("book-01")
    async with transaction("patients", migrated) as tx:
        assert await read.read_many(tx, "Patient", ["nobody"], visible=Everything()) == []


async def test_other_identifiers_are_unique_too(migrated: Settings) -> None:
    """A passport belongs to one patient; the same number of another kind of document is another person's."""
    number = f"E{os.getpid():08}"
    kinds = {kind: [{"system": f"urn:example:{kind}", "value": number}] for kind in ("passport", "permit")}
    await register(migrated, person(identifier=kinds["passport"]), f"{number}-1")
    with pytest.raises(IdentityTaken):
        await register(migrated, person(identifier=kinds["passport"]), f"{number}-2")
    await register(migrated, person(identifier=kinds["permit"]), f"{number}-3")


async def test_only_the_hospital_registers(migrated: Settings) -> None:
    """A patient's account registers nobody."""
    with pytest.raises(OnlyByHospital):
        await register(migrated, person(), "nobody", by=principal(Role.PATIENT, "Patient/nobody"))


async def test_numbers_are_not_kept_beside_the_record(migrated: Settings) -> None:
    """The table of identities holds keyed hashes: no identity number can be read from it, and none can be taken out."""
    id_, resource = await registered(migrated)
    number = resource["identifier"][0]["value"]
    connection = await connect_as("patients", migrated)
    try:
        rows = await connection.fetch("select * from patients.identity where patient = $1", id_)
        assert len(rows) == 1
        assert number not in str(rows)
        assert number.encode() not in rows[0]["hash"]
        for statement in ("delete from patients.identity", "update patients.identity set patient = 'x'"):
            with pytest.raises(Exception, match="permission denied"):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_identities_entered_in_bulk(migrated: Settings) -> None:
    """The demonstration's residents are entered at once, twice without effect, and none can be registered again."""
    pairs = [(one.id, patient_resource(one)) for one in patients()]
    for _ in range(2):
        async with transaction("patients", migrated) as tx:
            await registering.enter_identities(tx, pairs, key=KEY)
    with pytest.raises(IdentityTaken):
        await register(migrated, {**pairs[7][1]}, "another-008")


async def test_patient_moves(migrated: Settings) -> None:
    """Patients keep their telecom, address, communication and contact up to date."""
    id_, resource = await registered(migrated)
    changed = {
        **resource,
        "telecom": [{"system": "phone", "value": "19900009999"}],
        "address": [{"text": "重庆市渝中区示范路1号"}],
        "communication": [{"language": {"text": "中文"}}],
        "contact": [{"name": {"text": "周素芬"}}],
    }
    stored = await change(migrated, changed, by=principal(Role.PATIENT, f"Patient/{id_}"))
    assert (stored.version, stored.resource["address"]) == (2, changed["address"])


@pytest.mark.parametrize("element", ["identifier", "name", "birthDate", "gender", "active", "generalPractitioner"])
async def test_patient_is_who_they_are(migrated: Settings, element: str) -> None:
    """Patients change nothing about who they are, neither by another value nor by leaving it out."""
    id_, resource = await registered(migrated)
    by = principal(Role.PATIENT, f"Patient/{id_}")
    other: dict[str, Any] = {
        "identifier": [{"system": policy.IDENTITY_NUMBER, "value": identity_number()}],
        "name": [{"text": "别人"}],
        "birthDate": "1999-01-01",
        "gender": "female",
        "active": False,
        "generalPractitioner": [{"reference": "Practitioner/x"}],
    }
    changed = [{**resource, element: other[element]}, {k: v for k, v in resource.items() if k != element}]
    for one in changed if element in resource else changed[:1]:
        with pytest.raises(NotForPatients) as refused:
            await change(migrated, one, by=by)
        assert refused.value.expression == f"Patient.{element}"


async def test_hospital_corrects_identity(migrated: Settings) -> None:
    """The hospital's systems correct an identity number, but not into another patient's."""
    id_, resource = await registered(migrated)
    _, other = await registered(migrated)
    with pytest.raises(IdentityTaken):
        await change(
            migrated, {**resource, "identifier": other["identifier"], "birthDate": other["birthDate"]}, by=SYSTEM
        )
    fresh = person()
    corrected = {**resource, "identifier": fresh["identifier"], "birthDate": fresh["birthDate"]}
    assert (await change(migrated, corrected, by=SYSTEM)).version == 2
    assert id_ == resource["id"]


async def test_registration_over_http(migrated: Settings) -> None:
    """A system registers a patient, who reads and amends it; nobody deletes it (EMR-01), and all of it is recorded."""
    async with running("patients", migrated) as door:
        system, body = token_of(migrated, SYSTEM), person()
        created = await door.ask("POST", "/fhir/Patient", token=system, body=body)
        again = await door.ask("POST", "/fhir/Patient", token=system, body=body)
        assert (created.status, again.status, again.codes) == (201, 409, ["book-01-identity-taken"])
        path, resource = f"/fhir/Patient/{created.json['id']}", created.json
        mine = token_of(migrated, principal(Role.PATIENT, path.removeprefix("/fhir/")))
        moved = {**resource, "telecom": [{"system": "phone", "value": "19900001234"}]}
        stale = await door.ask("PUT", path, token=mine, body=moved, if_match='W/"7"')
        fresh = await door.ask("PUT", path, token=mine, body=moved, if_match='W/"1"')
        renamed = await door.ask("PUT", path, token=mine, body={**moved, "name": [{"text": "别人"}]})
        deleted = await door.ask("DELETE", path, token=mine)
        assert [one.status for one in (stale, fresh, renamed, deleted)] == [412, 200, 403, 405]
        assert "EMR-01" in deleted.json["issue"][0]["diagnostics"]
        seen = await door.ask("GET", f"/fhir/AuditEvent?patient={path.removeprefix('/fhir/')}", token=mine)
        actions = [entry["resource"]["action"] for entry in seen.json["entry"]]
        assert sorted(actions) == ["C", "U"]


async def test_systems_bring_their_own_ids(migrated: Settings) -> None:
    """A system's update of an unknown id registers the patient under it, by the rules of any registration, and once."""
    body, other = person(id=f"his-{os.getpid()}-1"), person(id=f"his-{os.getpid()}-2")
    same = {**other, "identifier": body["identifier"], "birthDate": body["birthDate"]}
    wrong = {**other, "birthDate": "2001-01-01"}
    async with running("patients", migrated) as door:
        system = token_of(migrated, SYSTEM)

        async def put(resource: dict[str, Any], **headers: str) -> tuple[int, str]:
            answer = await door.ask("PUT", f"/fhir/Patient/{resource['id']}", token=system, body=resource, **headers)
            return answer.status, (answer.codes[0] if answer.status >= 400 else answer.json["id"])

        assert await put(body, if_none_match="*") == (201, body["id"])
        assert await put(body, if_none_match="*") == (412, "exists-already")
        assert await put(body) == (200, body["id"])
        assert await put(same) == (409, "book-01-identity-taken")
        assert await put(wrong) == (422, "book-01-identity-wrong")
        assert await put(other) == (201, other["id"])


async def test_only_systems_bring_ids(migrated: Settings) -> None:
    """A patient who updates a record that does not exist is told that ids are given by the hospital."""
    body = person(id=f"his-{os.getpid()}-3")
    async with running("patients", migrated) as door:
        by = token_of(migrated, principal(Role.PATIENT, f"Patient/{body['id']}"))
        answer = await door.ask("PUT", f"/fhir/Patient/{body['id']}", token=by, body=body)
    assert (answer.status, answer.codes) == (405, ["id-not-offered"])
