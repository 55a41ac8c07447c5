"""A doctor enters a diagnosis: online only the disease diagnosed before, in person, in the visit (TELE-01, TELE-08)."""

from datetime import datetime
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from record import read, write
from record.compartment import patient_of
from record.failures import ResourceDeleted, ResourceUnknown
from record.permission import permit
from record.stored import Stored
from record.visible import Everything, visible_to
from services.patients import fhir, policy
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
from services.patients.terminology import diagnoses

FIXED = ("code", "subject", "encounter", "category", "recorder", "recordedDate", "asserter")
"""What a diagnosis says once and for all."""


async def diagnose(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, now: datetime
) -> Stored:
    """Enter a condition with its recorder and day.

    Raises NotYours, CodeUnknown, VisitMissing, VisitUnknown, NotInSession, FollowUpNotConfirmed, NotFollowUp,
    OtherDiagnosis.
    """
    if by.role is Role.SYSTEM:
        return await write.create(tx, body, id=id, now=now)
    await permit(tx, patient_of(resource) or "", visible=visible_to(by))
    codes = fhir.diagnosis_in(resource)
    if not codes or any(code not in diagnoses.load() for code in codes):
        raise CodeUnknown(expression="Condition.code")
    if fhir.reference_in(resource, "recorder") not in {"", by.fhir_user}:
        raise NotInSession(policy.cited("TELE-08"), expression="Condition.recorder")
    if "encounter" in resource:
        await _check_visit(tx, resource, codes, by=by)
    elif not fhir.is_problem_list_item(resource):
        raise VisitMissing(expression="Condition.encounter")
    kept = fhir.with_absent(body, recorder={"reference": by.fhir_user}, recordedDate=fhir.instant(now))
    return await write.create(tx, kept, id=id, now=now)


async def change(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    now: datetime,
) -> Stored:
    """Say how a condition goes on, or that it was entered in error. Raises DiagnosisStands."""
    current = (await read.read(tx, "Condition", id, visible=visible_to(by))).resource
    changed = [name for name in FIXED if current.get(name) != resource.get(name)]
    if changed and by.role is not Role.SYSTEM:
        raise DiagnosisStands(expression=f"Condition.{changed[0]}")
    return await write.update(tx, body, id=id, now=now, expected=expected)


async def remove(tx: Transaction, *, id: str, expected: int | None, by: Principal, now: datetime) -> Stored:
    """Take an entry off the problem list; its versions stay. A visit's diagnosis is not taken back: DiagnosisStands."""
    current = (await read.read(tx, "Condition", id, visible=visible_to(by))).resource
    if "encounter" in current and by.role is not Role.SYSTEM:
        raise DiagnosisStands(policy.cited("EMR-01"))
    return await write.delete(tx, "Condition", id, now=now, expected=expected)


async def _check_visit(tx: Transaction, resource: dict[str, Any], codes: list[str], *, by: Principal) -> None:
    """Raises VisitUnknown, NotInSession, FollowUpNotConfirmed, NotFollowUp, OtherDiagnosis."""
    encounter = await _encounter(tx, resource, by=by)
    if fhir.doctor_in(encounter) != by.fhir_user or encounter["status"] != "in-progress":
        raise NotInSession(policy.cited("TELE-08"), expression="Condition.encounter")
    if not fhir.is_online(encounter):
        return
    judged = fhir.follow_up_in(encounter)
    if judged is None:
        raise FollowUpNotConfirmed(policy.cited("TELE-01"), expression="Condition.encounter")
    if not judged.judgement:
        raise NotFollowUp(policy.cited("TELE-03"), expression="Condition.encounter")
    before = await _categories(tx, judged.evidence)
    if any(diagnoses.category(code) not in before for code in codes):
        raise OtherDiagnosis(policy.cited("TELE-01"), expression="Condition.code")


async def _encounter(tx: Transaction, resource: dict[str, Any], *, by: Principal) -> dict[str, Any]:
    id_ = fhir.reference_in(resource, "encounter").removeprefix("Encounter/")
    try:
        encounter = await read.read(tx, "Encounter", id_, visible=visible_to(by))
    except (ResourceUnknown, ResourceDeleted):
        raise VisitUnknown(expression="Condition.encounter") from None
    if encounter.patient != patient_of(resource):
        raise VisitUnknown(expression="Condition.subject")
    return encounter.resource


async def _categories(tx: Transaction, evidence: str) -> set[str]:
    """The ICD-10 categories of the document that a follow-up rests on; none when it is gone."""
    found = await read.read_many(
        tx, "DocumentReference", [evidence.removeprefix("DocumentReference/")], visible=Everything()
    )
    return {diagnoses.category(code) for document in found for code in fhir.events_in(document.resource)}
