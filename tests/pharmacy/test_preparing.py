"""Drafting and preparing: who may prescribe, when, and what the exact bytes hold."""

import hashlib
from typing import Any

import msgspec
import orjson
import pytest

from kernel.auth.principal import Principal
from kernel.failures import Failure
from kernel.settings import Settings
from record import read, write
from record.canonical import PRESCRIPTION
from record.failures import ResourceUnknown
from record.validation import checking as validation
from record.visible import Everything
from services.pharmacy import drafting
from services.pharmacy.failures import (
    DraftSigned,
    DraftUnfit,
    FollowUpUnconfirmed,
    GroupTaken,
    NoDiagnosis,
    NoMedicine,
    NoReviewPharmacy,
    NothingDrafted,
    NotTreating,
    OrderElsewhere,
    SessionNotLive,
    TooManyMedicines,
    VisitsMixed,
)
from tests.pharmacy.hospital import Hospital, opened
from tests.pharmacy.steps import cancel, visit_becomes
from tests.support.postgres import database_of


def codes(refused: Failure) -> list[str]:
    """The codes of a refusal and its companions."""
    return [refused.code, *(other.code for other in refused.others)]


async def discarded(hospital: Hospital, id: str, *, by: Principal) -> None:
    """Someone takes a draft away."""
    async with hospital.database.transaction() as tx:
        await drafting.discard(tx, id, expected=None, by=by, now=hospital.clock.now())


async def test_the_document_holds_the_lines_as_they_will_stand(migrated: Settings) -> None:
    """The bytes to be signed are a sound FHIR document: composition first, active lines, decimals as written."""
    async with opened(migrated) as hospital:
        await hospital.draft("amlodipine", "metformin")
        prepared = await hospital.prepare()
    bundle = orjson.loads(prepared.document)
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds[:3] == ["Composition", "MedicationRequest", "MedicationRequest"]
    around = ["Condition", "Encounter", "Medication", "Medication", "Organization", "Patient", "Practitioner"]
    assert sorted(kinds[3:]) == around
    assert {entry["resource"].get("status") for entry in bundle["entry"][1:3]} == {"active"}
    assert bundle["entry"][1]["resource"]["authoredOn"] == "2026-03-02T12:00:00+08:00"
    assert prepared.document.count(b'"value":7.50') == 2
    assert prepared.digest == hashlib.sha256(prepared.document).hexdigest()
    validation.check(prepared.document, type="Bundle")


async def test_preparing_again_replaces_what_waits_for_signature(migrated: Settings) -> None:
    """Of two preparations only the later can be signed, and it names its rule pack."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        first = await hospital.prepare()
        second = await hospital.prepare()
        async with hospital.database.reading() as tx:
            kept = await tx.raw.fetch(
                "select id, rule_pack, rules from pharmacy.prescription where group_value = $1", hospital.group
            )
    assert [row["id"] for row in kept] == [second.id] != [first.id]
    assert kept[0]["rule_pack"] == "cn-online-prescription"
    assert "RX-04" in kept[0]["rules"]


async def test_only_the_treating_doctor_drafts(migrated: Settings) -> None:
    """Another doctor of the clinic, one who signs for a colleague, a patient and a pharmacist are refused (TELE-08)."""
    async with opened(migrated) as hospital:
        colleague = hospital.doctor("colleague")
        own_name = hospital.request(requester={"reference": colleague.fhir_user})
        for by, request in (
            (colleague, hospital.request()),
            (colleague, own_name),
            (hospital.patient(), hospital.request()),
            (hospital.pharmacist(), hospital.request()),
        ):
            with pytest.raises(NotTreating):
                await hospital.drafted(request, by=by)
        await hospital.draft()
        with pytest.raises(NothingDrafted):
            await hospital.prepare(by=colleague)


async def test_a_doctor_of_another_clinic_does_not_even_see_the_visit(migrated: Settings) -> None:
    """A visit outside the own clinics cannot be drafted for."""
    async with opened(migrated) as hospital, opened(migrated) as other:
        stranger = other.doctor()
        request = hospital.request(requester={"reference": stranger.fhir_user})
        with pytest.raises(DraftUnfit):
            await hospital.drafted(request, by=stranger)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "active"},
        {"intent": "plan"},
        {"groupIdentifier": None},
        {"groupIdentifier": {"system": "urn:other", "value": "g"}},
        {"groupIdentifier": {"system": PRESCRIPTION, "value": "a,b|c"}},
        {"encounter": None},
        {"encounter": {"reference": "Encounter/none"}},
        {"medicationReference": None, "medicationCodeableConcept": {"text": "氨氯地平"}},
    ],
)
async def test_drafts_of_the_wrong_form_are_refused(migrated: Settings, changes: dict[str, Any]) -> None:
    """A line that is no draft order in a group, for a visit, by a Medication, is not entered."""
    async with opened(migrated) as hospital:
        with pytest.raises(DraftUnfit):
            await hospital.drafted(hospital.request(**changes))


async def test_a_line_for_another_patient_is_refused(migrated: Settings) -> None:
    """The line's patient is the visit's."""
    async with opened(migrated) as hospital:
        with pytest.raises(VisitsMixed):
            await hospital.drafted(hospital.request(subject={"reference": "Patient/somebody-else"}))


async def test_drafts_change_until_they_are_signed(migrated: Settings) -> None:
    """The doctor rewrites and discards drafts; a signed line and a colleague's are left alone."""
    async with opened(migrated) as hospital:
        one, two = await hospital.draft("amlodipine", "metformin")
        request = hospital.request("aspirin")
        made = {"by": hospital.doctor(), "now": hospital.clock.now()}
        async with hospital.database.transaction() as tx:
            body = msgspec.json.encode(request)
            kept = await drafting.redraft(tx, request, body, id=one.id, expected=1, **made)  # type: ignore[arg-type]
            await drafting.discard(tx, two.id, expected=1, **made)  # type: ignore[arg-type]
        assert kept.resource["medicationReference"]["reference"] == hospital.ref("Medication", "aspirin")
        with pytest.raises(NotTreating):
            await discarded(hospital, one.id, by=hospital.doctor("colleague"))
        prepared = await hospital.prepare()
        assert prepared.lines == (f"{one.id}/2",)
        await hospital.sign(hospital.signature(prepared.document))
        with pytest.raises(DraftSigned):
            await discarded(hospital, one.id, by=hospital.doctor())


@pytest.mark.parametrize("status", ["arrived", "finished", "cancelled"])
async def test_outside_the_session_nothing_is_drafted_or_prepared(migrated: Settings, status: str) -> None:
    """A prescription is written while the visit lasts (TELE-08)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        await visit_becomes(hospital, migrated, status=status)
        with pytest.raises(SessionNotLive):
            await hospital.draft("metformin")
        with pytest.raises(SessionNotLive):
            await hospital.prepare()


@pytest.mark.parametrize("extension", [None, [], [{"url": "urn:other", "valueBoolean": True}]])
async def test_an_unconfirmed_follow_up_is_refused(migrated: Settings, extension: list[Any] | None) -> None:
    """Without the doctor's judgement on the visit nothing is prepared (TELE-01)."""
    async with opened(migrated, extension=extension) as hospital:
        await hospital.draft()
        with pytest.raises(FollowUpUnconfirmed):
            await hospital.prepare()


async def test_faults_of_several_lines_come_in_one_answer(migrated: Settings) -> None:
    """Controlled medicine, foreign diagnosis and vague directions are each named by rule and place."""
    async with opened(migrated) as hospital:
        await hospital.draft("morphine")
        await hospital.draft("metformin", reasonReference=[{"reference": hospital.ref("Condition", "earlier")}])
        vague = [{**hospital.request()["dosageInstruction"][0], "text": "遵医嘱"}]
        await hospital.draft("aspirin", dosageInstruction=vague)
        with pytest.raises(Failure) as refused:
            await hospital.prepare()
    found = codes(refused.value)
    assert found[:2] == ["tele-04-controlled-medicine", "o2o-02-never-online"]
    assert sorted(found[2:]) == ["rx-04-directions-vague", "rx-04-no-diagnosis"]
    assert refused.value.status == 422


async def test_six_medicines_are_refused(migrated: Settings) -> None:
    """The sixth line of a group makes the prescription too long (RX-02)."""
    async with opened(migrated) as hospital:
        await hospital.draft(*["amlodipine"] * 6)
        with pytest.raises(TooManyMedicines):
            await hospital.prepare()


async def test_a_hospital_without_pharmacy_cannot_submit(migrated: Settings) -> None:
    """Who would review is known before anything is signed (RX-12)."""
    async with opened(migrated, serviceProvider={"reference": "Organization/none"}) as hospital:
        await hospital.draft()
        with pytest.raises(NoReviewPharmacy):
            await hospital.prepare()


async def test_a_group_belongs_to_one_doctor_and_visit(migrated: Settings) -> None:
    """A second doctor cannot draft into a signed group, and its own doctor only after a return."""
    async with opened(migrated) as hospital, opened(migrated) as other:
        await hospital.submitted()
        with pytest.raises(OrderElsewhere):
            await hospital.draft("metformin")
        with pytest.raises(GroupTaken):
            await other.draft("metformin", groupIdentifier={"system": PRESCRIPTION, "value": hospital.group})


async def test_nothing_drafted(migrated: Settings) -> None:
    """An empty group and one that could never be a group cannot be prepared."""
    async with opened(migrated) as hospital:
        with pytest.raises(NothingDrafted):
            await hospital.prepare()
        hospital.prefix = "a|b,c"
        with pytest.raises((NothingDrafted, ResourceUnknown)):
            await hospital.prepare()


async def test_a_diagnosis_taken_back_is_none(migrated: Settings) -> None:
    """A refuted Condition of this visit founds no prescription (RX-04)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        async with database_of("patients", migrated, size=1) as patients, patients.transaction() as tx:
            id = hospital.named("hypertension")
            standing = (await read.read(tx, "Condition", id, visible=Everything())).resource
            status = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
            await write.update(tx, standing | status, id=id, now=hospital.clock.now(), expected=None)
        with pytest.raises(NoDiagnosis):
            await hospital.prepare()


async def test_a_withdrawn_medicine_is_not_ordered(migrated: Settings) -> None:
    """An inactive entry of the formulary is no medicine to order (RX-04)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        async with hospital.database.transaction() as tx:
            id = hospital.named("amlodipine")
            standing = (await read.read(tx, "Medication", id, visible=Everything())).resource
            changed = standing | {"status": "inactive"}
            await write.update(tx, changed, id=id, now=hospital.clock.now(), expected=None)
        with pytest.raises(NoMedicine):
            await hospital.prepare()


async def test_a_correction_ends_when_the_order_is_cancelled(migrated: Settings) -> None:
    """Drafts entered after a return cannot be prepared once the doctor has withdrawn the order."""
    async with opened(migrated) as hospital:
        task = (await hospital.submitted()).task.id
        await hospital.review(task, "return", reason="剂量请复核")
        await hospital.draft("metformin")
        await cancel(hospital, task)
        with pytest.raises(OrderElsewhere):
            await hospital.prepare()
