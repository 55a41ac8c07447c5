"""Tests of the patients room's doors over HTTP: the list of diagnoses, plain clinical entries, and who sees what."""

from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.canonical import BASE, ICD_10
from record.validation.checking import check
from services.patients import policy
from services.patients.terminology import diagnoses
from tests.support.rooms import principal, running, token_of
from tests.support.visits import Booked, booked

EXPAND = "/fhir/ValueSet/icd-10/$expand"


def observation(one: Booked) -> dict[str, Any]:
    """A blood pressure as a doctor enters it."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": f"Patient/{one.patient}"},
        "effectiveDateTime": "2026-11-25T09:30:00+08:00",
        "valueQuantity": {"value": 138, "unit": "mm[Hg]", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    }


async def test_diagnoses_are_found_by_name_and_code(migrated: Settings) -> None:
    """The list expands to the codes that fit, as a sound ValueSet in both languages, by GET and by POST."""
    token = token_of(migrated, principal(Role.PRACTITIONER, "Practitioner/d"))
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "filter", "valueString": "高血压"}, {"name": "count", "valueInteger": 3}],
    }
    async with running("patients", migrated) as door:
        by_code = await door.ask("GET", f"{EXPAND}?filter=I10&count=5", token=token)
        by_name = await door.ask("POST", EXPAND, token=token, body=asked)
    body = check(by_code.body, type="ValueSet")
    first = body["expansion"]["contains"][0]
    assert (by_code.status, body["url"]) == (200, f"{BASE}/ValueSet/icd-10")
    assert (first["system"], first["code"], first["display"]) == (ICD_10, "I10", diagnoses.load()["I10"].display_zh)
    assert {one["language"] for one in first["designation"]} == {"zh-CN", "en"}
    assert by_name.json["expansion"]["contains"][0]["code"] == "I10"
    assert len(by_name.json["expansion"]["contains"]) <= 3
    assert by_name.json["expansion"]["total"] == len(diagnoses.find("高血压", limit=10_000))


async def test_list_from_its_beginning(migrated: Settings) -> None:
    """Without a filter the list begins at its beginning, says how long it is, and gives no more than was asked for."""
    token = token_of(migrated, principal(Role.PATIENT, "Patient/p"))
    async with running("patients", migrated) as door:
        everything = await door.ask("GET", f"{EXPAND}?count=100000", token=token)
        nothing = await door.ask("GET", f"{EXPAND}?filter=zzzz", token=token)
        none = await door.ask("GET", f"{EXPAND}?count=0", token=token)
    assert everything.json["expansion"]["total"] == len(diagnoses.load())
    assert len(everything.json["expansion"]["contains"]) == 200
    for empty in (nothing, none):
        assert "contains" not in empty.json["expansion"]
        check(empty.body, type="ValueSet")


@pytest.mark.parametrize(
    "query", ["count=many", "count=-1", "count=", "filter=a&filter=b", "url=x", "count=9999999", f"filter={'a' * 201}"]
)
async def test_unreadable_expansions(migrated: Settings, query: str) -> None:
    """What $expand does not take is refused with a sentence."""
    token = token_of(migrated, principal(Role.PATIENT, "Patient/p"))
    async with running("patients", migrated) as door:
        answer = await door.ask("GET", f"{EXPAND}?{query}", token=token)
        assert (await door.ask("GET", EXPAND)).status == 401
    assert (answer.status, answer.json["resourceType"]) == (400, "OperationOutcome")


async def test_emr_01_nothing_is_erased(migrated: Settings) -> None:
    """Whatever is deleted over the interface leaves every version readable, and the room's role cannot erase one."""
    one = await booked(migrated)
    async with running("patients", migrated) as door:
        token = token_of(migrated, one.doctor)
        created = await door.ask("POST", "/fhir/Observation", token=token, body=observation(one))
        path = f"/fhir/Observation/{created.json['id']}"
        assert (await door.ask("DELETE", path, token=token)).status == 204
        assert (await door.ask("GET", path, token=token)).status == 410
        kept = await door.ask("GET", f"{path}/_history/1", token=token)
        versions = await door.ask("GET", f"{path}/_history", token=token)
    assert kept.body == created.body
    assert versions.json["total"] == 2
    assert policy.KEPT_YEARS >= 15


async def test_care_is_the_ground_of_writing(migrated: Settings) -> None:
    """A doctor enters observations of patients in the clinic's care, and of nobody else; patients enter none."""
    one, other = await booked(migrated), await booked(migrated)
    async with running("patients", migrated) as door:
        expected = [(one.doctor, 201), (other.doctor, 403), (one.person, 403)]
        for by, status in expected:
            answer = await door.ask("POST", "/fhir/Observation", token=token_of(migrated, by), body=observation(one))
            assert answer.status == status


async def test_a_key_is_of_one_command_with_its_conditions(migrated: Settings) -> None:
    """Two deletions by different criteria, or versions, have no body to tell them apart, and are two commands all the
    same: the second is refused, not answered as if it had been done."""
    one, token = await booked(migrated), token_of(migrated, principal(Role.SYSTEM))
    async with running("patients", migrated) as door:
        made = [await door.ask("POST", "/fhir/Observation", token=token, body=observation(one)) for _ in "12"]
        first, second = (f"/fhir/Observation?_id={answer.json['id']}" for answer in made)
        key = {"idempotency_key": f"conditions-{one.patient}"}
        again = [await door.ask("DELETE", first, token=token, **key) for _ in "12"]
        other = await door.ask("DELETE", second, token=token, **key)
        dated = await door.ask("DELETE", first, token=token, if_match='W/"1"', **key)
    assert [answer.status for answer in again] == [204, 204]
    assert again[1].headers["idempotency-replayed"] == "true"
    assert [other.codes, dated.codes] == [["idempotency-key-reused"]] * 2
