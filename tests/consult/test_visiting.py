"""Tests of a visit's way from start to finish."""

import asyncio
from datetime import timedelta

import pytest

from kernel.ids import CountedIds
from kernel.settings import Settings
from record.failures import ResourceUnknown
from record.validation.checking import check
from services.consult import events, visiting
from services.consult.encounter import NEXT, EncounterStatus, Visit, may_become
from services.consult.failures import NotInProgress, OnlyItsDoctor, StartsByJoining
from tests.support.postgres import connect_as, database_of
from tests.support.visits import NOW, Booked, called, encounter_of_visit, transaction, under_way

LATER = NOW + timedelta(minutes=12)


async def rooms_told(settings: Settings, kind: str, one: Booked) -> list[str]:
    """The rooms that a fact about this visit was told to."""
    connection = await connect_as("yuzhen_owner", settings)
    try:
        rows = await connection.fetch(
            "select consumer from flow.delivery where kind = $1 and position($2::bytea in body) > 0 order by consumer",
            *(kind, one.encounter.encode()),
        )
    finally:
        await connection.close()
    return [row["consumer"] for row in rows]


async def test_visit_in_clinic_begins_and_ends(migrated: Settings) -> None:
    """A visit in the clinic is begun and ended by its doctor; period and history say when, and appointments is told."""
    one, ids = await called(migrated, visit=Visit.IN_PERSON), CountedIds("clinic")
    async with transaction("consult", migrated) as tx:
        await visiting.start(tx, one.encounter, by=one.doctor, ids=ids, now=NOW)
        ended = await visiting.finish(tx, one.encounter, by=one.doctor, ids=ids, now=LATER)
        told = {channel for channel, word in tx.words if word == f"Encounter/{one.encounter}"}
    body = check(ended.body, type="Encounter")
    assert body["status"] == "finished"
    assert body["period"] == {"start": "2026-11-25T01:30:00+00:00", "end": "2026-11-25T01:42:00+00:00"}
    assert [past["status"] for past in body["statusHistory"]] == ["arrived", "in-progress", "finished"]
    assert told == {f"live:Patient/{one.patient}", f"live:{one.practitioner}", f"live:{one.service}"}
    assert await rooms_told(migrated, "yuzhen.consult.v1.VisitStarted", one) == ["appointments"]
    assert await rooms_told(migrated, events.FINISHED, one) == ["appointments", "consult"]


async def test_video_visit_begins_by_joining(migrated: Settings) -> None:
    """A video visit cannot be begun without its doctor in the room."""
    one = await called(migrated)
    async with transaction("consult", migrated) as tx:
        with pytest.raises(StartsByJoining):
            await visiting.start(tx, one.encounter, by=one.doctor, ids=CountedIds(), now=NOW)


async def test_finish_needs_a_start(migrated: Settings) -> None:
    """A visit that never began cannot be finished."""
    one = await called(migrated)
    async with transaction("consult", migrated) as tx:
        with pytest.raises(NotInProgress):
            await visiting.finish(tx, one.encounter, by=one.doctor, ids=CountedIds(), now=NOW)


async def test_finish_by_others(migrated: Settings) -> None:
    """Neither the patient nor a colleague ends a visit, and a stranger does not even find it."""
    one = await under_way(migrated)
    refusals = {one.person: OnlyItsDoctor, one.colleague: OnlyItsDoctor, one.stranger: ResourceUnknown}
    for by, refusal in refusals.items():
        async with transaction("consult", migrated) as tx:
            with pytest.raises(refusal):
                await visiting.finish(tx, one.encounter, by=by, ids=CountedIds(), now=NOW)
    assert (await encounter_of_visit(migrated, one)).resource["status"] == "in-progress"


async def test_finish_many_times_at_once(migrated: Settings) -> None:
    """Eight clicks at once end the visit once, and it is told once to each room."""
    one, ids = await under_way(migrated), CountedIds("clicks")

    async def click() -> int:
        async with database.transaction() as tx:
            return (await visiting.finish(tx, one.encounter, by=one.doctor, ids=ids, now=LATER)).version

    async with database_of("consult", migrated) as database:
        versions = await asyncio.gather(*(click() for _ in range(8)))
    assert set(versions) == {3}
    assert await rooms_told(migrated, events.FINISHED, one) == ["appointments", "consult"]


def test_steps_of_an_encounter() -> None:
    """Only the steps listed can be taken; what has ended stays ended."""
    taken = {(a, b) for a in EncounterStatus for b in EncounterStatus if may_become(a, b)}
    assert taken == {
        (EncounterStatus.ARRIVED, EncounterStatus.IN_PROGRESS),
        (EncounterStatus.ARRIVED, EncounterStatus.CANCELLED),
        (EncounterStatus.IN_PROGRESS, EncounterStatus.FINISHED),
    }
    assert set(NEXT) == set(EncounterStatus)
