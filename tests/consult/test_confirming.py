"""Tests of the doctor's judgement whether a visit is a follow-up (TELE-01, TELE-03)."""

from typing import Any

import pytest

from kernel.failures import Failure
from kernel.settings import Settings
from record import read, write
from record.canonical import extension
from record.stored import Stored
from record.validation.checking import check
from record.visible import Everything
from services.consult import confirming
from services.consult.failures import FollowUpWithoutEvidence, NotFollowUp, NotInProgress, OnlyItsDoctor
from tests.support.visits import NOW, Booked, booked, called, encounter_of_visit, judged, transaction, under_way


async def judge(settings: Settings, one: Booked, judgement: bool, *, by: Any = None) -> Stored:
    async with transaction("consult", settings) as tx:
        return await confirming.confirm_follow_up(tx, one.encounter, judgement=judgement, by=by or one.doctor, now=NOW)


def parts(encounter: Stored) -> dict[str, Any]:
    """The judgement's parts by name."""
    (found,) = (e for e in encounter.resource["extension"] if e["url"] == extension("follow-up"))
    return {part["url"]: next(v for k, v in part.items() if k != "url") for part in found["extension"]}


async def test_tele_01_judgement_is_kept(migrated: Settings) -> None:
    """A follow-up is judged by the visit's doctor and kept with its evidence, time and rule in a sound Encounter."""
    one = await under_way(migrated)
    encounter = await judge(migrated, one, True)
    check(encounter.body, type="Encounter")
    assert parts(encounter) == {
        "judgement": True,
        "evidence": {"reference": f"DocumentReference/{one.document}"},
        "by": {"reference": one.practitioner},
        "at": "2026-11-25T01:30:00+00:00",
        "rule": "cn-consult@2026.1 TELE-01",
    }


async def test_tele_01_judged_twice(migrated: Settings) -> None:
    """The same judgement again changes nothing."""
    one = await judged(migrated, True)
    before = await encounter_of_visit(migrated, one)
    assert (await judge(migrated, one, True)).version == before.version


async def test_tele_01_without_evidence(migrated: Settings) -> None:
    """Without an earlier record the visit cannot be judged a follow-up; the refusal names rule and source."""
    one = await under_way(migrated, diagnosis=None)
    with pytest.raises(FollowUpWithoutEvidence) as refused:
        await judge(migrated, one, True)
    assert refused.value.code.startswith("tele-01")
    assert "TELE-01" in refused.value.diagnostics
    assert "互联网诊疗管理办法" in refused.value.diagnostics


@pytest.mark.parametrize(
    "change",
    [
        {"context": {"event": []}},
        {"context": {"event": [{"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}]}},
        {"status": "entered-in-error"},
    ],
)
async def test_tele_01_worthless_evidence(migrated: Settings, change: dict[str, Any]) -> None:
    """A record without an ICD-10 diagnosis, or no longer in force, is no evidence."""
    one = await under_way(migrated)
    async with transaction("patients", migrated) as tx:
        document = await read.read(tx, "DocumentReference", one.document or "", visible=Everything())
        await write.update(tx, {**document.resource, **change}, id=document.id, now=NOW, expected=None)
    with pytest.raises(FollowUpWithoutEvidence):
        await judge(migrated, one, True)


async def test_tele_01_evidence_of_another_patient(migrated: Settings) -> None:
    """Another patient's record is no evidence, even if the booking names it."""
    one, other = await under_way(migrated), await booked(migrated)
    async with transaction("appointments", migrated) as tx:
        current = await read.read(tx, "Appointment", one.appointment, visible=Everything())
        foreign = [{"reference": f"DocumentReference/{other.document}"}]
        changed = {**current.resource, "supportingInformation": foreign}
        await write.update(tx, changed, id=one.appointment, now=NOW, expected=None)
    with pytest.raises(FollowUpWithoutEvidence):
        await judge(migrated, one, True)


async def test_tele_03_no_follow_up(migrated: Settings) -> None:
    """A first visit is recorded as such even without evidence, and cannot be turned into a follow-up afterwards."""
    one = await under_way(migrated, diagnosis=None)
    encounter = await judge(migrated, one, False)
    assert (parts(encounter)["judgement"], parts(encounter)["rule"]) == (False, "cn-consult@2026.1 TELE-03")
    with pytest.raises(NotFollowUp) as refused:
        await judge(migrated, one, True)
    assert "TELE-03" in refused.value.diagnostics


async def test_tele_03_after_a_follow_up(migrated: Settings) -> None:
    """A doctor who finds later that it is no follow-up after all may say so."""
    one = await judged(migrated, True)
    assert parts(await judge(migrated, one, False))["judgement"] is False


async def test_judged_by_others_or_too_early(migrated: Settings) -> None:
    """Only the visit's doctor judges, and only while the visit is under way."""
    one, waiting = await under_way(migrated), await called(migrated)
    refusals: list[tuple[Booked, Any, type[Failure]]] = [
        (one, one.person, OnlyItsDoctor),
        (one, one.colleague, OnlyItsDoctor),
        (waiting, waiting.doctor, NotInProgress),
    ]
    for visit, by, refusal in refusals:
        with pytest.raises(refusal):
            await judge(migrated, visit, True, by=by)
        assert (await encounter_of_visit(migrated, visit)).version <= 2
