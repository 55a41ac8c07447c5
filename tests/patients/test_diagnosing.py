"""Tests of diagnoses: online only the disease diagnosed before, by the visit's doctor in person (TELE-01, TELE-08)."""

from typing import Any

import orjson
import pytest

from kernel.auth.principal import Principal, Role
from kernel.failures import Failure
from kernel.ids import CountedIds
from kernel.settings import Settings
from record import read
from record.canonical import ICD_10
from record.failures import NotYours, ResourceDeleted
from record.stored import Stored
from record.validation.checking import check
from record.visible import Everything
from services.consult import visiting
from services.consult.encounter import Visit
from services.patients import diagnosing
from services.patients.failures import (
    CodeUnknown,
    DiagnosisStands,
    FollowUpNotConfirmed,
    NotFollowUp,
    NotInSession,
    OtherDiagnosis,
    VisitMissing,
    VisitUnknown,
)
from tests.support.rooms import principal, running, token_of
from tests.support.visits import NOW, Booked, booked, called, judged, transaction, under_way

ids = CountedIds("diagnosis")
KINDS = "http://terminology.hl7.org/CodeSystem"


def condition(
    one: Booked, icd: str = "I10", *, category: str = "encounter-diagnosis", **changes: Any
) -> dict[str, Any]:
    """A diagnosis as the doctor's browser sends it; a change to None leaves an element out."""
    body = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": f"{KINDS}/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{KINDS}/condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{KINDS}/condition-category", "code": category}]}],
        "code": {"coding": [{"system": ICD_10, "code": icd}]},
        "subject": {"reference": f"Patient/{one.patient}"},
        "encounter": {"reference": f"Encounter/{one.encounter}"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


async def diagnose(settings: Settings, resource: dict[str, Any], by: Principal) -> Stored:
    async with transaction("patients", settings) as tx:
        return await diagnosing.diagnose(tx, resource, orjson.dumps(resource), id=ids.new(), by=by, now=NOW)


async def refused(settings: Settings, resource: dict[str, Any], by: Principal, refusal: type[Failure]) -> Failure:
    with pytest.raises(refusal) as raised:
        await diagnose(settings, resource, by)
    return raised.value


async def test_tele_01_same_disease(migrated: Settings) -> None:
    """In a confirmed follow-up its doctor diagnoses the same disease, by a finer code too, and is named as recorder."""
    one, fine = await judged(migrated, True), await judged(migrated, True, diagnosis="E11")
    for visit, code in ((one, "I10"), (fine, "E11.9")):
        stored = await diagnose(migrated, condition(visit, code), visit.doctor)
        body = check(stored.body, type="Condition")
        assert (body["recorder"]["reference"], stored.patient) == (visit.practitioner, visit.patient)
        assert body["recordedDate"] == "2026-11-25T01:30:00+00:00"


async def test_tele_01_before_the_judgement(migrated: Settings) -> None:
    """Before the follow-up is confirmed nothing can be diagnosed online; the refusal names rule and source."""
    one = await under_way(migrated)
    failure = await refused(migrated, condition(one), one.doctor, FollowUpNotConfirmed)
    assert failure.code.startswith("tele-01")
    assert "TELE-01: 互联网诊疗管理办法" in failure.diagnostics


async def test_tele_01_another_disease(migrated: Settings) -> None:
    """A disease of another ICD-10 category is refused, also beside the right one."""
    one = await judged(migrated, True)
    failure = await refused(migrated, condition(one, "E11"), one.doctor, OtherDiagnosis)
    assert failure.code.startswith("tele-01")
    assert "TELE-01" in failure.diagnostics
    both = {"coding": [{"system": ICD_10, "code": "I10"}, {"system": ICD_10, "code": "E11"}]}
    await refused(migrated, condition(one, code=both), one.doctor, OtherDiagnosis)


async def test_tele_03_no_follow_up(migrated: Settings) -> None:
    """In a visit judged to be no follow-up nothing is diagnosed online."""
    one = await judged(migrated, False)
    failure = await refused(migrated, condition(one), one.doctor, NotFollowUp)
    assert "TELE-03" in failure.diagnostics


async def test_tele_08_doctor_in_person(migrated: Settings) -> None:
    """Only the visit's own doctor diagnoses, in the own name."""
    one = await judged(migrated, True)
    failure = await refused(migrated, condition(one), one.colleague, NotInSession)
    assert "TELE-08" in failure.diagnostics
    for name in (one.colleague.fhir_user, "Device/assistant"):
        await refused(migrated, condition(one, recorder={"reference": name}), one.doctor, NotInSession)


async def test_tele_08_session_is_live(migrated: Settings) -> None:
    """Before the visit begins and after it ends nothing is diagnosed in it."""
    waiting, over = await called(migrated), await judged(migrated, True)
    async with transaction("consult", migrated) as tx:
        await visiting.finish(tx, over.encounter, by=over.doctor, ids=CountedIds("tele-08"), now=NOW)
    for one in (waiting, over):
        await refused(migrated, condition(one), one.doctor, NotInSession)


async def test_visit_in_clinic_is_free(migrated: Settings) -> None:
    """Face to face a doctor diagnoses what there is; the rule of online care does not bind."""
    one = await under_way(migrated, visit=Visit.IN_PERSON, diagnosis=None)
    assert (await diagnose(migrated, condition(one, "E11"), one.doctor)).version == 1


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": ICD_10, "code": "X99.9"}]},
        {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]},
        {"text": "高血压"},
        None,
    ],
)
async def test_codes_come_from_the_list(migrated: Settings, code: Any) -> None:
    """A diagnosis without a known ICD-10 code is refused."""
    one = await judged(migrated, True)
    await refused(migrated, condition(one, code=code), one.doctor, CodeUnknown)


async def test_visit_and_patient_belong_together(migrated: Settings) -> None:
    """A diagnosis names a visit of its own patient; patients outside the clinic's care are out of reach."""
    one, other = await judged(migrated, True), await judged(migrated, True)
    foreign = {"reference": f"Encounter/{other.encounter}"}
    await refused(migrated, condition(one, encounter=foreign), one.doctor, VisitUnknown)
    await refused(migrated, condition(one, encounter={"reference": "Encounter/none"}), one.doctor, VisitUnknown)
    await refused(migrated, condition(other), one.doctor, NotYours)


async def test_without_a_visit_only_the_problem_list(migrated: Settings) -> None:
    """Outside a visit a doctor of the clinic adds to the problem list, and to nothing else."""
    one = await booked(migrated)
    await refused(migrated, condition(one, encounter=None), one.doctor, VisitMissing)
    listed = condition(one, category="problem-list-item", encounter=None)
    assert (await diagnose(migrated, listed, one.doctor)).patient == one.patient


async def test_diagnosis_stands(migrated: Settings) -> None:
    """A diagnosis can be resolved or marked as an error; what, when and by whom cannot be rewritten or deleted."""
    one = await judged(migrated, True)
    stored = await diagnose(migrated, condition(one), one.doctor)
    rewritten = [
        {**stored.resource, "code": {"coding": [{"system": ICD_10, "code": "E11"}]}},
        {**stored.resource, "recorder": {"reference": one.colleague.fhir_user}},
        {k: v for k, v in stored.resource.items() if k != "encounter"},
    ]
    for resource in rewritten:
        with pytest.raises(DiagnosisStands):
            await _change(migrated, resource, by=one.doctor)
    async with transaction("patients", migrated) as tx:
        with pytest.raises(DiagnosisStands):
            await diagnosing.remove(tx, id=stored.id, expected=None, by=one.doctor, now=NOW)
    wrong = {"coding": [{"system": f"{KINDS}/condition-ver-status", "code": "entered-in-error"}]}
    marked = {k: v for k, v in stored.resource.items() if k != "clinicalStatus"} | {"verificationStatus": wrong}
    assert (await _change(migrated, marked, by=one.doctor)).version == 2


async def test_emr_01_deleted_entries_keep_their_versions(migrated: Settings) -> None:
    """An entry taken off the problem list is gone for reading, and every version of it is still there."""
    one = await booked(migrated)
    stored = await diagnose(migrated, condition(one, category="problem-list-item", encounter=None), one.doctor)
    async with transaction("patients", migrated) as tx:
        await diagnosing.remove(tx, id=stored.id, expected=1, by=one.doctor, now=NOW)
    async with transaction("patients", migrated) as tx:
        with pytest.raises(ResourceDeleted):
            await read.read(tx, "Condition", stored.id, visible=Everything())
        versions = await read.history(tx, "Condition", stored.id, visible=Everything())
    assert [(one.version, one.deleted) for one in versions] == [(2, True), (1, False)]
    assert versions[1].body == stored.body


async def test_diagnosis_over_http(migrated: Settings) -> None:
    """The doctor's diagnosis is kept with its bytes, found by visit, and recorded; the patient's own try is refused."""
    one = await judged(migrated, True)
    precise = (
        orjson.dumps(condition(one))[:-1]
        + b',"onsetAge":{"value":62.50,"unit":"a","system":"http://unitsofmeasure.org","code":"a"}}'
    )
    async with running("patients", migrated) as door:
        doctor, patient = token_of(migrated, one.doctor), token_of(migrated, one.person)
        entered = await door.ask("POST", "/fhir/Condition", token=doctor, body=precise)
        assert entered.status == 201, entered.body
        assert b'"value":62.50,' in entered.body
        assert (await door.ask("POST", "/fhir/Condition", token=patient, body=condition(one))).status == 403
        wrong = await door.ask("POST", "/fhir/Condition", token=doctor, body=condition(one, "E11"))
        assert (wrong.status, wrong.codes) == (422, ["tele-01-other-diagnosis"])
        found = await door.ask("GET", f"/fhir/Condition?encounter=Encounter/{one.encounter}", token=patient)
        assert [entry["resource"]["id"] for entry in found.json["entry"]] == [entered.json["id"]]
    async with transaction("patients", migrated) as tx:
        query = "select interaction from record.audit where entity = $1"
        assert [row[0] for row in await tx.raw.fetch(query, f"Condition/{entered.json['id']}")] == ["create"]


async def test_system_imports(migrated: Settings) -> None:
    """A hospital's system enters what was diagnosed elsewhere, as it was."""
    one = await booked(migrated)
    imported = condition(one, "Z99.9", encounter=None)
    assert (await diagnose(migrated, imported, principal(Role.SYSTEM))).patient == one.patient


async def _change(settings: Settings, resource: dict[str, Any], *, by: Principal) -> Stored:
    async with transaction("patients", settings) as tx:
        return await diagnosing.change(
            tx, resource, orjson.dumps(resource), id=resource["id"], expected=None, by=by, now=NOW
        )
