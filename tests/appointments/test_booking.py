import asyncio
from datetime import timedelta

import pytest

from kernel.auth.principal import Principal
from kernel.clock import FixedClock
from kernel.failures import Failure
from kernel.ids import RandomIds
from record import read
from record.stored import Stored
from record.visible import Everything
from services.appointments import booking
from services.appointments.appointment import BookingRequest, Visit
from services.appointments.failures import (
    AlreadyBooked,
    HoldExpired,
    NotBooked,
    NotHeld,
    NotRealName,
    NotThisPatient,
    PriorRecordUnknown,
    SlotPast,
    SlotTaken,
    SlotUnknown,
    VisitTypeMismatch,
)
from tests.appointments.conftest import NOW, Clinic

IDS = RandomIds(FixedClock(NOW))


async def book(clinic: Clinic, who: Principal, *, slot: str | None = None, hold: str | None = None) -> Stored:
    async with clinic.database.transaction() as tx:
        request = BookingRequest(patient=who.patient or "", slot=slot, hold=hold)
        return await booking.book(tx, request, by=who, ids=IDS, now=clinic.clock.now())


async def hold(clinic: Clinic, who: Principal, slot: str) -> Stored:
    async with clinic.database.transaction() as tx:
        return await booking.hold(tx, slot, patient=who.patient or "", by=who, ids=IDS, now=clinic.clock.now())


async def cancel(clinic: Clinic, who: Principal, id_: str) -> Stored:
    async with clinic.database.transaction() as tx:
        return await booking.cancel(tx, id_, by=who, reason=None, expected=None, ids=IDS, now=clinic.clock.now())


async def counters(clinic: Clinic, slot: str) -> tuple[int, int, str]:
    """Places taken and held, and what the Slot says of it."""
    async with clinic.database.reading() as tx:
        row = await tx.raw.fetchrow("select taken, held from appointments.slot where id = $1", slot)
        shown = await read.read(tx, "Slot", slot, visible=Everything())
    assert row is not None
    return row["taken"], row["held"], shown.resource["status"]


async def test_a_booking_is_there_in_all_its_parts(clinic: Clinic) -> None:
    """A booked visit has its Appointment, a busy Slot, its place counted, its event told and its clinic entrusted."""
    slot, who = await clinic.slot(), await clinic.patient()
    booked = await book(clinic, who, slot=slot)
    assert booked.resource["status"] == "booked"
    assert booked.patient == who.patient
    assert booked.resource["slot"] == [{"reference": f"Slot/{slot}"}]
    assert booked.resource["extension"][0]["url"].endswith("extension-Appointment.virtualService")
    assert await counters(clinic, slot) == (1, 0, "busy")
    async with clinic.database.reading() as tx:
        told = "select count(*) from flow.event where kind like '%AppointmentBooked' and position($1 in body) > 0"
        assert await tx.raw.fetchval(told, booked.id.encode()) == 1
        cared = "select count(*) from record.care where patient = $1 and clinic = $2"
        assert await tx.raw.fetchval(cared, who.patient, f"HealthcareService/{clinic.name}") == 1


async def test_a_taken_time_is_refused_with_its_reason(clinic: Clinic) -> None:
    """The second caller hears that somebody else was faster."""
    slot = await clinic.slot()
    await book(clinic, await clinic.patient(), slot=slot)
    with pytest.raises(SlotTaken):
        await book(clinic, await clinic.patient(), slot=slot)
    assert await counters(clinic, slot) == (1, 0, "busy")


async def test_past_and_unknown_times_are_told_apart(clinic: Clinic) -> None:
    """A time that has begun and a time that never was have different answers."""
    slot, who = await clinic.slot(after=timedelta(minutes=-1)), await clinic.patient()
    with pytest.raises(SlotPast):
        await book(clinic, who, slot=slot)
    with pytest.raises(SlotUnknown):
        await book(clinic, who, slot="slot-never")


async def test_one_books_for_oneself(clinic: Clinic) -> None:
    """Nobody books in another patient's name."""
    slot, who, other = await clinic.slot(), await clinic.patient(), await clinic.patient()
    with pytest.raises(NotThisPatient):
        async with clinic.database.transaction() as tx:
            request = BookingRequest(patient=other.patient or "", slot=slot)
            await booking.book(tx, request, by=who, ids=IDS, now=NOW)


async def test_book_01_real_name(clinic: Clinic) -> None:
    """BOOK-01: a patient without an identity number is told to bring the card."""
    with pytest.raises(NotRealName) as no:
        await book(clinic, await clinic.patient(identified=False), slot=await clinic.slot())
    assert "BOOK-01" in no.value.diagnostics


async def test_the_same_patient_has_a_time_once(clinic: Clinic) -> None:
    """In a slot for several, each patient has one place."""
    slot, who = await clinic.slot(capacity=3), await clinic.patient()
    await book(clinic, who, slot=slot)
    with pytest.raises(AlreadyBooked):
        await book(clinic, who, slot=slot)
    assert await counters(clinic, slot) == (1, 0, "free")


async def test_a_video_time_is_not_for_a_visit_in_person(clinic: Clinic) -> None:
    """The kind of visit must be the one the time offers."""
    slot, who = await clinic.slot(), await clinic.patient()
    with pytest.raises(VisitTypeMismatch):
        async with clinic.database.transaction() as tx:
            request = BookingRequest(patient=who.patient or "", slot=slot, visit=Visit.IN_PERSON)
            await booking.book(tx, request, by=who, ids=IDS, now=NOW)


async def test_another_s_earlier_record_is_no_ground(clinic: Clinic) -> None:
    """A document that is not there, or not this patient's, is refused."""
    slot, who = await clinic.slot(), await clinic.patient()
    with pytest.raises(PriorRecordUnknown):
        async with clinic.database.transaction() as tx:
            request = BookingRequest(patient=who.patient or "", slot=slot, prior_record="DocumentReference/none")
            await booking.book(tx, request, by=who, ids=IDS, now=NOW)


async def test_a_held_time_is_kept_and_then_booked(clinic: Clinic) -> None:
    """A hold blocks everyone else, becomes a booking under the same id, and says until when it lasts."""
    slot, who = await clinic.slot(), await clinic.patient()
    pending = await hold(clinic, who, slot)
    until = next(e for e in pending.resource["extension"] if e["url"].endswith("hold-expires"))
    assert until["valueInstant"] == (NOW + timedelta(minutes=5)).isoformat(timespec="seconds")
    assert await counters(clinic, slot) == (0, 1, "busy-tentative")
    with pytest.raises(NotHeld):
        await hold(clinic, await clinic.patient(), slot)
    booked = await book(clinic, who, hold=pending.id)
    assert (booked.id, booked.version) == (pending.id, 2)
    assert not any(e["url"].endswith("hold-expires") for e in booked.resource["extension"])
    assert await counters(clinic, slot) == (1, 0, "busy")


async def test_a_hold_ends_to_the_second(clinic: Clinic) -> None:
    """At its last second a hold still counts, at the next it is free for others, and its owner is told."""
    slot, who, other = await clinic.slot(), await clinic.patient(), await clinic.patient()
    pending = await hold(clinic, who, slot)
    clinic.clock.advance(timedelta(minutes=5) - timedelta(seconds=1))
    with pytest.raises(SlotTaken):
        await book(clinic, other, slot=slot)
    clinic.clock.advance(timedelta(seconds=1))
    await book(clinic, other, slot=slot)
    with pytest.raises(HoldExpired):
        await book(clinic, who, hold=pending.id)
    assert await counters(clinic, slot) == (1, 0, "busy")
    async with clinic.database.reading() as tx:
        ended = await read.read(tx, "Appointment", pending.id, visible=Everything())
    assert ended.resource["status"] == "cancelled"


async def test_expired_holds_are_freed_in_the_background(clinic: Clinic) -> None:
    """The job gives back what ran out, once, however often it runs."""
    slot = await clinic.slot()
    await hold(clinic, await clinic.patient(), slot)
    clinic.clock.advance(timedelta(minutes=6))
    for freed in (1, 0):
        async with clinic.database.transaction() as tx:
            assert await booking.release_expired(tx, now=clinic.clock.now(), slot=slot) == freed
    assert await counters(clinic, slot) == (0, 0, "free")


async def test_a_cancelled_time_can_be_booked_again(clinic: Clinic) -> None:
    """Cancelling gives the place back once; a second try says so."""
    slot, who = await clinic.slot(), await clinic.patient()
    booked = await book(clinic, who, slot=slot)
    cancelled = await cancel(clinic, who, booked.id)
    assert cancelled.resource["status"] == "cancelled"
    with pytest.raises(NotBooked):
        await cancel(clinic, who, booked.id)
    assert await counters(clinic, slot) == (0, 0, "free")
    await book(clinic, await clinic.patient(), slot=slot)


async def test_a_cancelled_hold_gives_its_place_back(clinic: Clinic) -> None:
    """Changing one's mind before booking frees the time at once."""
    slot, who = await clinic.slot(), await clinic.patient()
    await cancel(clinic, who, (await hold(clinic, who, slot)).id)
    assert await counters(clinic, slot) == (0, 0, "free")


async def outcome_of(attempt: "asyncio.Future[Stored]") -> str:
    try:
        await attempt
    except Failure as no:
        return no.code
    return "booked"


async def test_sixteen_callers_on_one_place(clinic: Clinic) -> None:
    """Of 16 callers on one free place exactly one books it and 15 hear slot-taken, round after round."""
    callers = [await clinic.patient() for _ in range(16)]
    for _ in range(25):
        slot = await clinic.slot()
        ended = await asyncio.gather(
            *(outcome_of(asyncio.ensure_future(book(clinic, who, slot=slot))) for who in callers)
        )
        assert sorted(ended) == ["booked"] + ["slot-taken"] * 15
        assert await counters(clinic, slot) == (1, 0, "busy")


async def test_sixteen_callers_on_sixteen_places(clinic: Clinic) -> None:
    """While places are free nobody is refused: 16 callers on 16 slots of one doctor make 16 bookings."""
    callers = [await clinic.patient() for _ in range(16)]
    slots = [await clinic.slot(after=timedelta(minutes=30 * n)) for n in range(1, 17)]
    pairs = zip(callers, slots, strict=True)
    ended = await asyncio.gather(
        *(outcome_of(asyncio.ensure_future(book(clinic, who, slot=slot))) for who, slot in pairs)
    )
    assert ended == ["booked"] * 16


async def test_a_slot_for_three_is_filled_exactly(clinic: Clinic) -> None:
    """Of 16 callers on three places, three book, by hold or at once."""
    slot = await clinic.slot(capacity=3)
    callers = [await clinic.patient() for _ in range(16)]

    async def by_hold(who: Principal) -> Stored:
        return await book(clinic, who, hold=(await hold(clinic, who, slot)).id)

    ended = await asyncio.gather(
        *(
            outcome_of(asyncio.ensure_future(by_hold(who) if n % 2 else book(clinic, who, slot=slot)))
            for n, who in enumerate(callers)
        )
    )
    assert ended.count("booked") == 3
    assert set(ended) <= {"booked", "slot-taken", "not-held"}
    assert await counters(clinic, slot) == (3, 0, "busy")
