"""Tests of what consult does when appointments tells of bookings, cancellations and calls."""

import asyncio
from datetime import timedelta

import pytest

from kernel.database import Transaction
from kernel.ids import CountedIds
from kernel.settings import Settings
from record import read, write
from record.failures import ResourceUnknown
from record.stored import Stored
from record.validation.checking import check
from record.visible import Everything
from services.consult import arriving, fhir, visiting
from services.consult.encounter import Visit
from tests.support.postgres import database_of
from tests.support.visits import NOW, Booked, booked, transaction


async def encounter(tx: Transaction, one: Booked) -> Stored:
    return await read.read(tx, "Encounter", one.encounter, visible=Everything())


async def notes(tx: Transaction, one: Booked) -> list[Stored]:
    rows = await tx.raw.fetch("select id from record.communication where patient = $1", one.patient)
    return await read.read_many(tx, "Communication", [row["id"] for row in rows], visible=Everything())


async def set_status(settings: Settings, one: Booked, status: str) -> None:
    async with transaction("appointments", settings) as tx:
        current = await read.read(tx, "Appointment", one.appointment, visible=Everything())
        changed = {**current.resource, "status": status}
        await write.update(tx, changed, id=one.appointment, now=NOW, expected=None)


async def test_call_begins_encounter(migrated: Settings) -> None:
    """A call makes a sound FHIR Encounter with its people, place and history, and tells all three sides to look."""
    one = await booked(migrated)
    async with transaction("consult", migrated) as tx:
        await arriving.called(tx, one.call, now=NOW)
        found = await encounter(tx, one)
        words = list(tx.words)
    body = check(found.body, type="Encounter")
    assert (body["status"], body["class"]["code"]) == ("arrived", "VR")
    assert body["subject"]["reference"] == f"Patient/{one.patient}"
    assert body["appointment"] == [{"reference": f"Appointment/{one.appointment}"}]
    assert body["participant"][0]["individual"]["reference"] == one.practitioner
    assert body["serviceProvider"]["reference"] == one.organization
    assert body["location"][0]["location"]["reference"] == one.location
    assert body["extension"][0]["valueReference"]["reference"] == one.service
    assert body["statusHistory"] == [{"status": "arrived", "period": {"start": "2026-11-25T01:30:00+00:00"}}]
    told = {f"live:Patient/{one.patient}", f"live:{one.practitioner}", f"live:{one.service}"}
    assert {channel for channel, word in words if word == f"Encounter/{one.encounter}"} == told


async def test_call_in_clinic(migrated: Settings) -> None:
    """A visit in the clinic has class AMB."""
    one = await booked(migrated, visit=Visit.IN_PERSON)
    async with transaction("consult", migrated) as tx:
        await arriving.called(tx, one.call, now=NOW)
        assert (await encounter(tx, one)).resource["class"]["code"] == "AMB"


async def test_call_heard_again(migrated: Settings) -> None:
    """The same call heard again changes nothing, and a call after a missed turn is announced anew."""
    one = await booked(migrated)
    async with transaction("consult", migrated) as tx:
        await arriving.called(tx, one.call, now=NOW)
    async with transaction("consult", migrated) as tx:
        await arriving.called(tx, one.call, now=NOW + timedelta(minutes=9))
        assert (await encounter(tx, one)).version == 1
        assert (f"live:Patient/{one.patient}", f"Encounter/{one.encounter}") in tx.words


async def test_call_heard_many_times_at_once(migrated: Settings) -> None:
    """Eight deliveries at once make one encounter in one version, and none of them fails."""
    one = await booked(migrated)

    async def deliver() -> None:
        async with database.transaction() as tx:
            await arriving.called(tx, one.call, now=NOW)

    async with database_of("consult", migrated) as database:
        await asyncio.gather(*(deliver() for _ in range(8)))
        async with database.transaction() as tx:
            assert (await encounter(tx, one)).version == 1


async def test_call_overtaken_by_cancellation(migrated: Settings) -> None:
    """A call that arrives after the visit was cancelled begins nothing."""
    one = await booked(migrated)
    await set_status(migrated, one, "cancelled")
    async with transaction("consult", migrated) as tx:
        await arriving.cancelled(tx, one.appointment, now=NOW)
        await arriving.called(tx, one.call, now=NOW)
        with pytest.raises(ResourceUnknown):
            await encounter(tx, one)


async def test_cancellation_crossing_call(migrated: Settings) -> None:
    """However call and cancellation cross, no patient of a cancelled visit stays called."""

    async def one_round() -> str:
        one = await booked(migrated)

        async def cancel() -> None:
            await set_status(migrated, one, "cancelled")
            async with database.transaction() as tx:
                await arriving.cancelled(tx, one.appointment, now=NOW)

        async def call() -> None:
            async with database.transaction() as tx:
                await arriving.called(tx, one.call, now=NOW)

        await asyncio.gather(cancel(), call())
        async with database.transaction() as tx:
            found = await read.read_many(tx, "Encounter", [one.encounter], visible=Everything())
        return found[0].resource["status"] if found else "none"

    async with database_of("consult", migrated) as database:
        ends = [await one_round() for _ in range(10)]
    assert set(ends) <= {"none", "cancelled"}


async def test_cancellation_before_the_start(migrated: Settings) -> None:
    """A cancelled visit's encounter ends as cancelled if it had not begun; told twice, it changes once."""
    one = await booked(migrated)
    await set_status(migrated, one, "cancelled")
    async with transaction("consult", migrated) as tx:
        await write.create(tx, fhir.encounter(one.call, now=NOW), id=one.encounter, now=NOW)
        for _ in range(2):
            await arriving.cancelled(tx, one.appointment, now=NOW + timedelta(minutes=1))
        found = await encounter(tx, one)
        assert (found.version, found.resource["status"]) == (2, "cancelled")
        assert [past["status"] for past in found.resource["statusHistory"]] == ["arrived", "cancelled"]
        assert found.resource["statusHistory"][0]["period"]["end"] == "2026-11-25T01:31:00+00:00"


async def test_cancellation_after_the_start(migrated: Settings) -> None:
    """A visit under way is not ended by a late cancellation."""
    one = await booked(migrated)
    async with transaction("consult", migrated) as tx:
        await arriving.called(tx, one.call, now=NOW)
        await visiting.begin(tx, await encounter(tx, one), ids=CountedIds(one.appointment), now=NOW)
        await arriving.cancelled(tx, one.appointment, now=NOW)
        assert (await encounter(tx, one)).resource["status"] == "in-progress"


async def test_booking_is_confirmed_in_writing(migrated: Settings) -> None:
    """A booking is confirmed once, in both languages, with the hospital's own time, and the patient is told to look."""
    one = await booked(migrated)
    async with transaction("consult", migrated) as tx:
        for _ in range(2):
            await arriving.booked(tx, one.appointment, now=NOW)
        (note,) = await notes(tx, one)
        assert (f"live:Patient/{one.patient}", note.reference) in tx.words
    body = check(note.body, type="Communication")
    assert [payload["contentString"] for payload in body["payload"]] == [
        "预约成功：11月25日（周三）09:30，心血管内科 何医生，视频复诊。",
        "Booked: Wed 25 Nov 2026, 09:30, 心血管内科 何医生, video visit.",
    ]
    assert body["category"][0]["coding"][0]["code"] == "notification"
    assert body["about"] == [{"reference": f"Appointment/{one.appointment}"}]
    assert body["recipient"] == [{"reference": f"Patient/{one.patient}"}]
    assert (body["status"], body["sender"]["reference"]) == ("completed", one.service)


async def test_cancellation_is_confirmed_in_writing(migrated: Settings) -> None:
    """A cancelled booking is confirmed once; a hold that was given back needs no word."""
    one, held = await booked(migrated), await booked(migrated, status="pending")
    for visit in (one, held):
        await set_status(migrated, visit, "cancelled")
    async with transaction("consult", migrated) as tx:
        for visit in (one, one, held):
            await arriving.cancelled(tx, visit.appointment, now=NOW)
        (note,) = await notes(tx, one)
        assert note.resource["payload"][0]["contentString"].startswith("预约已取消：11月25日（周三）09:30")
        assert await notes(tx, held) == []
