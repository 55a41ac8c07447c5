"""A plain FHIR client books: one transaction with the Appointment and its Slot set busy."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kernel.auth.principal import Principal, Role
from kernel.clock import SystemClock
from kernel.settings import Settings
from tests.appointments.conftest import Clinic
from tests.record.bundles import ask, places, post, put, reference, statuses, transaction
from tests.support.record import Answer
from tests.support.rooms import Door, principal, running, token_of

ORDER = "https://client.example/order"
HOUR = timedelta(hours=1)
SYSTEM = principal(Role.SYSTEM)


@dataclass(frozen=True, slots=True)
class Desk:
    """The running room, and a clinic in it whose hours are to come."""

    clinic: Clinic
    door: Door
    settings: Settings

    async def slot(self, *, capacity: int = 1) -> dict[str, Any]:
        """A free Slot, as a client reads it."""
        ahead = SystemClock().now() - self.clinic.clock.now()
        id_ = await self.clinic.slot(after=ahead + HOUR, capacity=capacity)
        return await self.read(f"Slot/{id_}", SYSTEM)

    async def patient(self) -> Principal:
        """A patient with an identity number, signed in just now."""
        return principal(Role.PATIENT, (await self.clinic.patient()).fhir_user)

    async def read(self, place: str, by: Principal) -> dict[str, Any]:
        """A resource as this account reads it."""
        answer = await self.door.ask("GET", f"/fhir/{place}", token=token_of(self.settings, by))
        assert answer.status == 200, answer.body
        resource: dict[str, Any] = answer.json
        return resource

    async def send(self, by: Principal, *entries: dict[str, Any], **headers: str) -> Answer:
        """A transaction in this account's name."""
        token = token_of(self.settings, by)
        return await self.door.ask("POST", "/fhir", token=token, body=transaction(*entries), **headers)

    async def taken(self, slot: str) -> tuple[int, int]:
        """Places taken, and bookings that stand."""
        async with self.clinic.database.reading() as tx:
            taken = await tx.raw.fetchval("select taken from appointments.slot where id = $1", slot)
            standing = "select count(*) from appointments.booking where slot = $1 and cancelled_at is null"
            return int(taken), int(await tx.raw.fetchval(standing, slot))


@pytest.fixture
async def desk(clinic: Clinic, migrated: Settings) -> AsyncIterator[Desk]:
    """The appointments room and a clinic nobody else uses."""
    async with running("appointments", migrated) as door:
        yield Desk(clinic, door, migrated)


def appointment(slot: dict[str, Any], who: Principal, **more: Any) -> dict[str, Any]:
    """The Appointment a client wants."""
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "slot": [{"reference": f"Slot/{slot['id']}"}],
        "start": slot["start"],
        "end": slot["end"],
        "participant": [{"actor": {"reference": who.fhir_user}, "status": "accepted"}],
        **more,
    }


def busy(slot: dict[str, Any], **conditions: str) -> dict[str, Any]:
    """The entry that sets the Slot busy."""
    return put({**slot, "status": "busy"}, **conditions)


async def test_an_appointment_and_its_busy_slot_are_one_booking(desk: Desk) -> None:
    """The place is taken, the Slot stands busy, what the client said is kept, and the clinic is told."""
    slot, who = await desk.slot(), await desk.patient()
    said = {"identifier": [{"system": ORDER, "value": who.account}], "description": "sore throat"}
    wanted = post(appointment(slot, who, **said))
    booked = await desk.send(who, busy(slot, ifMatch='W/"1"'), wanted)
    assert statuses(booked) == ["200", "201"]
    shown, visit = (entry["resource"] for entry in booked.json["entry"])
    assert (shown["status"], shown["meta"]["versionId"]) == ("busy", "2")
    assert (visit["identifier"], visit["description"]) == (said["identifier"], said["description"])
    assert [one["actor"]["reference"].partition("/")[0] for one in visit["participant"]] == [
        *("Patient", "Practitioner", "HealthcareService", "Location")
    ]
    assert await desk.read(f"Slot/{slot['id']}", who) == shown
    assert await desk.taken(slot["id"]) == (1, 1)
    async with desk.clinic.database.reading() as tx:
        told = "select count(*) from flow.event where kind like '%AppointmentBooked' and position($1 in body) > 0"
        assert await tx.raw.fetchval(told, visit["id"].encode()) == 1


async def test_asked_again_it_is_the_same_booking(desk: Desk) -> None:
    """With the same key, with ifNoneExist, and with neither: the visit that stands, never a second one."""
    slot, who = await desk.slot(capacity=2), await desk.patient()
    identifier = {"system": ORDER, "value": who.account}
    wanted = appointment(slot, who, identifier=[identifier])
    once = post(wanted, ifNoneExist=f"identifier={ORDER}|{who.account}")
    first = await desk.send(who, post(wanted), idempotency_key="a")
    replayed = await desk.send(who, post(wanted), idempotency_key="a")
    assert (statuses(first), replayed.body) == (["201"], first.body)
    assert replayed.headers["idempotency-replayed"] == "true"
    for again in (await desk.send(who, once), await desk.send(who, post(wanted))):
        assert statuses(again) == ["200"]
        assert reference(again, 0) == reference(first, 0)
    assert await desk.taken(slot["id"]) == (1, 1)


async def test_the_whole_bundle_can_be_sent_again(desk: Desk) -> None:
    """The Slot entry too is satisfied by the booking that stands, with the version the client once read."""
    slot, who = await desk.slot(), await desk.patient()
    entries = (post(appointment(slot, who)), busy(slot, ifMatch='W/"1"'))
    first, again = await desk.send(who, *entries), await desk.send(who, *entries)
    assert (statuses(first), statuses(again)) == (["201", "200"], ["200", "200"])
    assert reference(again, 0) == reference(first, 0)


async def test_one_bundle_sent_twice_at_once_is_one_booking(desk: Desk) -> None:
    """Ten rounds of a Bundle that arrives four times at the same moment: one visit, told to all four."""
    for capacity in (1, 2) * 5:
        slot, who = await desk.slot(capacity=capacity), await desk.patient()
        entry = post(appointment(slot, who))
        answers = await asyncio.gather(*(desk.send(who, entry) for _ in range(4)))
        assert sorted(statuses(answer)[0] for answer in answers) == ["200", "200", "200", "201"]
        assert len({reference(answer, 0) for answer in answers}) == 1
        assert await desk.taken(slot["id"]) == (1, 1)


async def test_what_points_at_a_standing_booking_finds_it(desk: Desk) -> None:
    """Sent again, an entry beside the Appointment points at the visit that stands, not at one that never was."""
    slot, who = await desk.slot(), await desk.patient()
    name = "urn:uuid:6f0d6ba4-2d0f-4b43-9d4d-6e6a6a6d7c11"
    note = {"resourceType": "Basic", "code": {"text": "note"}, "subject": {"reference": name}}
    entries = (post(note), {**post(appointment(slot, who)), "fullUrl": name})
    first, again = await desk.send(SYSTEM, *entries), await desk.send(SYSTEM, *entries)
    assert (statuses(first), statuses(again)) == (["201", "201"], ["201", "200"])
    for answer in (first, again):
        assert answer.json["entry"][0]["resource"]["subject"]["reference"] == reference(first, 1)


async def test_of_sixteen_patients_one_gets_the_slot(desk: Desk) -> None:
    """Sixteen patients send Appointment and busy Slot for one time: one has it, fifteen hear that it is taken."""
    for _ in range(5):
        slot, people = await desk.slot(), [await desk.patient() for _ in range(16)]
        answers = await asyncio.gather(*(desk.send(who, post(appointment(slot, who)), busy(slot)) for who in people))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 15
        lost = [answer for answer in answers if answer.status == 409]
        assert {(*answer.codes, *places(answer)) for answer in lost} == {("slot-taken", "Bundle.entry[0]")}
        assert await desk.taken(slot["id"]) == (1, 1)


async def test_a_taken_slot_leaves_nothing(desk: Desk) -> None:
    """What stands beside a booking that fails is not kept either."""
    slot, first, second = await desk.slot(), await desk.patient(), await desk.patient()
    await desk.send(first, post(appointment(slot, first)))
    answer = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": second.fhir_user},
    }
    refused = await desk.send(second, post(answer), post(appointment(slot, second)), busy(slot))
    assert (refused.status, places(refused)) == (409, ["Bundle.entry[1]"])
    async with desk.clinic.database.reading() as tx:
        kept = "select count(*) from record.questionnaireresponse where patient = $1"
        assert await tx.raw.fetchval(kept, second.patient) == 0


async def test_a_slot_is_busy_only_when_it_is_taken_up(desk: Desk) -> None:
    """A patient's busy Slot without a booking, or with places left, is refused, and the booking with it."""
    slot, wide, who = await desk.slot(), await desk.slot(capacity=2), await desk.patient()
    alone = await desk.send(who, busy(slot))
    assert (alone.status, alone.codes, places(alone)) == (422, ["slot-not-busy"], ["Bundle.entry[0]"])
    early = await desk.send(who, post(appointment(wide, who)), busy(wide))
    assert (early.status, places(early)) == (422, ["Bundle.entry[1]"])
    assert await desk.taken(wide["id"]) == (0, 0)
    assert (await desk.read(f"Slot/{wide['id']}", who))["status"] == "free"


async def test_a_patient_changes_a_slot_in_no_other_way(desk: Desk) -> None:
    """Other times, other states, new Slots and deletes stay the hospital's; a stale version is stale."""
    slot, who = await desk.slot(), await desk.patient()
    book = post(appointment(slot, who))
    refused = [
        (put({**slot, "status": "busy-unavailable"}), 403),
        (put({**slot, "status": "free"}), 403),
        (put({**slot, "status": "busy", "end": slot["start"]}), 422),
        (busy(slot, ifMatch='W/"7"'), 412),
        (put({**slot, "id": "none", "status": "busy"}), 403),
        (put({**slot, "status": "busy"}, "Slot?schedule=Schedule/none"), 403),
        (post({name: value for name, value in slot.items() if name != "id"}), 403),
        (ask("DELETE", f"Slot/{slot['id']}"), 403),
    ]
    for entry, status in refused:
        answer = await desk.send(who, book, entry)
        assert answer.status == status, (entry, answer.body)
        assert places(answer)[0].startswith("Bundle.entry[1]")
    assert await desk.taken(slot["id"]) == (0, 0)
    single = await desk.door.ask(
        "PUT", f"/fhir/Slot/{slot['id']}", token=token_of(desk.settings, who), body={**slot, "status": "busy"}
    )
    assert single.status == 403


async def test_patients_book_for_themselves_alone(desk: Desk) -> None:
    """Nobody books in another's name, nor learns of another's booking by asking again."""
    slot, who, other = await desk.slot(), await desk.patient(), await desk.patient()
    await desk.send(other, post(appointment(slot, other)))
    refused = await desk.send(who, post(appointment(slot, other)))
    assert (refused.status, refused.codes) == (403, ["not-this-patient"])


async def test_crossing_bookings_do_not_deadlock(desk: Desk) -> None:
    """Two patients who want the same two times in opposite order: one has both, the other hears it and has none."""
    for _ in range(10):
        slots, people = [await desk.slot(), await desk.slot()], [await desk.patient(), await desk.patient()]
        orders = [
            [post(appointment(slot, who)) for slot in (slots if n else slots[::-1])] for n, who in enumerate(people)
        ]
        answers = await asyncio.gather(*(desk.send(who, *order) for who, order in zip(people, orders, strict=True)))
        assert sorted(answer.status for answer in answers) == [200, 409]
        assert next(answer.codes for answer in answers if answer.status == 409) == ["slot-taken"]
