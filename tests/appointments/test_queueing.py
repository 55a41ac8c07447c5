import asyncio
from datetime import timedelta

import pytest

from kernel.auth.principal import Principal, Role
from kernel.clock import FixedClock
from kernel.database import Transaction
from kernel.ids import RandomIds
from record import read
from record.failures import ResourceUnknown
from record.stored import Stored
from record.visible import Everything
from services.appointments import booking, queueing
from services.appointments.appointment import BookingRequest
from services.appointments.failures import NotBooked, NotCheckedIn, NotYourQueue, StillCalled, TooEarly, TooLate
from services.appointments.ticket import NEXT, TicketState
from tests.appointments.conftest import NOW, Clinic, principal

IDS = RandomIds(FixedClock(NOW))


async def booked(clinic: Clinic, who: Principal) -> str:
    slot = await clinic.slot()
    async with clinic.database.transaction() as tx:
        request = BookingRequest(patient=who.patient or "", slot=slot)
        return (await booking.book(tx, request, by=who, ids=IDS, now=NOW)).id


async def check_in(clinic: Clinic, who: Principal, id_: str) -> Stored:
    async with clinic.database.transaction() as tx:
        return await queueing.check_in(tx, id_, by=who, now=clinic.clock.now())


async def waiting(clinic: Clinic) -> tuple[Principal, str]:
    """A patient who has booked and checked in."""
    who = await clinic.patient()
    id_ = await booked(clinic, who)
    await check_in(clinic, who, id_)
    return who, id_


async def call_next(clinic: Clinic) -> Stored | None:
    async with clinic.database.transaction() as tx:
        return await queueing.call_next(tx, clinic.schedule, by=clinic.doctor, ids=IDS, now=clinic.clock.now())


def ticket(appointment: Stored) -> tuple[int, str]:
    """Number and state as the visit shows them."""
    shown = next(e for e in appointment.resource["extension"] if e["url"].endswith("/ticket"))
    parts = {e["url"]: e for e in shown["extension"]}
    return parts["number"]["valuePositiveInt"], parts["state"]["valueCode"]


async def test_check_in_gives_a_number(clinic: Clinic) -> None:
    """Numbers count up without gaps, and checking in again gives the same one."""
    numbers = []
    for _ in range(3):
        who = await clinic.patient()
        id_ = await booked(clinic, who)
        first = await check_in(clinic, who, id_)
        again = await check_in(clinic, who, id_)
        assert first.resource["status"] == "checked-in"
        assert ticket(first) == ticket(again)
        numbers.append(ticket(first)[0])
    assert numbers == [1, 2, 3]


async def test_everyone_at_once_gets_a_number_of_their_own(clinic: Clinic) -> None:
    """Twelve patients who check in at the same moment have the numbers 1 to 12."""
    people = [await clinic.patient() for _ in range(12)]
    ids = [await booked(clinic, who) for who in people]
    shown = await asyncio.gather(*(check_in(clinic, who, id_) for who, id_ in zip(people, ids, strict=True)))
    assert sorted(ticket(one)[0] for one in shown) == list(range(1, 13))


async def test_check_in_has_its_time(clinic: Clinic) -> None:
    """Neither days before nor after the clinic has closed."""
    who = await clinic.patient()
    id_ = await booked(clinic, who)
    clinic.clock.advance(timedelta(minutes=-31))
    with pytest.raises(TooEarly):
        await check_in(clinic, who, id_)
    clinic.clock.advance(timedelta(hours=6))
    with pytest.raises(TooLate):
        await check_in(clinic, who, id_)


async def test_only_a_booked_visit_is_checked_in(clinic: Clinic) -> None:
    """A cancelled visit has no number, and nobody checks in for another."""
    who, other = await clinic.patient(), await clinic.patient()
    id_ = await booked(clinic, who)
    with pytest.raises(ResourceUnknown):
        await check_in(clinic, other, id_)
    async with clinic.database.transaction() as tx:
        await booking.cancel(tx, id_, by=who, reason=None, expected=None, ids=IDS, now=NOW)
    with pytest.raises(NotBooked):
        await check_in(clinic, who, id_)


async def test_patients_are_called_in_turn(clinic: Clinic) -> None:
    """The lowest number is called, the others move up, and an empty queue calls nobody."""
    first, second = await waiting(clinic), await waiting(clinic)
    async with clinic.database.reading() as tx:
        assert (await queueing.place_in_queue(tx, second[1], by=second[0]))[1] == 1
    called = await call_next(clinic)
    assert called is not None
    assert (called.id, ticket(called)) == (first[1], (1, "called"))
    async with clinic.database.reading() as tx:
        assert (await queueing.place_in_queue(tx, second[1], by=second[0]))[1] == 0
    await finish(clinic, first[1])
    following = await call_next(clinic)
    assert following is not None
    assert following.id == second[1]
    await finish(clinic, second[1])
    assert await call_next(clinic) is None


async def finish(clinic: Clinic, id_: str) -> None:
    async with clinic.database.transaction() as tx:
        await queueing.visit_started(tx, id_, now=clinic.clock.now())
    async with clinic.database.transaction() as tx:
        await queueing.visit_finished(tx, id_, now=clinic.clock.now())


async def test_a_call_is_told(clinic: Clinic) -> None:
    """The called patient's page is told to look, and the consult room hears of it."""
    who, id_ = await waiting(clinic)
    async with clinic.database.transaction() as tx:
        await queueing.call_next(tx, clinic.schedule, by=clinic.doctor, ids=IDS, now=NOW)
        assert (f"live:Patient/{who.patient}", f"Appointment/{id_}") in tx.words
        assert ("events:consult", "") in tx.words


async def test_a_double_click_calls_one(clinic: Clinic) -> None:
    """While a called patient has not come in, another call is refused; two at once call one patient."""
    await waiting(clinic)
    await waiting(clinic)
    ended = await asyncio.gather(call_next(clinic), call_next(clinic), return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["Stored", "StillCalled"] or sorted(
        type(one).__name__ for one in ended
    ) == ["StillCalled", "Stored"]
    with pytest.raises(StillCalled):
        await call_next(clinic)


async def test_a_missed_turn_waits_again(clinic: Clinic) -> None:
    """Who was skipped and checks in again gets a new number behind the others."""
    who, id_ = await waiting(clinic)
    await waiting(clinic)
    await call_next(clinic)
    async with clinic.database.transaction() as tx:
        assert ticket(await queueing.skip(tx, id_, by=clinic.doctor, now=NOW))[1] == "missed"
    assert ticket(await check_in(clinic, who, id_)) == (3, "waiting")


async def test_facts_heard_twice_change_once(clinic: Clinic) -> None:
    """A visit that is told as started and finished twice is fulfilled once, without a further version."""
    _, id_ = await waiting(clinic)
    await call_next(clinic)
    await finish(clinic, id_)
    async with clinic.database.reading() as tx:
        done = await read.read(tx, "Appointment", id_, visible=Everything())
    assert (done.resource["status"], ticket(done)[1]) == ("fulfilled", "done")
    await finish(clinic, id_)
    async with clinic.database.reading() as tx:
        assert (await read.read(tx, "Appointment", id_, visible=Everything())).version == done.version


@pytest.mark.parametrize("act", ["queue", "call", "skip"])
async def test_another_doctor_s_queue_is_closed(clinic: Clinic, act: str) -> None:
    """Neither seeing nor calling nor skipping works in another clinic's queue."""
    _, id_ = await waiting(clinic)
    stranger = principal(Role.PRACTITIONER, "Practitioner/stranger", clinics=("HealthcareService/other",))

    async def attempt(tx: Transaction) -> object:
        match act:
            case "queue":
                return await queueing.queue_of(tx, clinic.schedule, by=stranger, now=NOW)
            case "call":
                return await queueing.call_next(tx, clinic.schedule, by=stranger, ids=IDS, now=NOW)
            case _:
                return await queueing.skip(tx, id_, by=stranger, now=NOW)

    with pytest.raises((NotYourQueue, ResourceUnknown)):
        async with clinic.database.transaction() as tx:
            await attempt(tx)


async def test_skipping_someone_who_is_not_there(clinic: Clinic) -> None:
    """A visit without a ticket cannot be skipped."""
    who = await clinic.patient()
    id_ = await booked(clinic, who)
    with pytest.raises(NotCheckedIn):
        async with clinic.database.transaction() as tx:
            await queueing.skip(tx, id_, by=clinic.doctor, now=NOW)


def test_every_ticket_state_has_its_steps() -> None:
    """The table of steps is total, and only a finished ticket has none."""
    assert set(NEXT) == set(TicketState)
    assert [state for state in TicketState if not NEXT[state]] == [TicketState.DONE]
