"""Into whose record plain interactions may write, and that what stands in one stays there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.care import entrust
from record.index.keys import own_base
from record.rest import fhir_routes
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


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


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
