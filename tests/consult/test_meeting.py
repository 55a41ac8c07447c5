"""Tests of the video room: who may join, what joining begins, and what happens when the media node is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kernel import notify
from kernel.auth.principal import Principal, Role
from kernel.clock import FixedClock
from kernel.events import Consumer
from kernel.ids import CountedIds
from kernel.service import Room
from kernel.settings import Settings
from services.consult import events, meeting, visiting
from services.consult.app import handlers
from services.consult.encounter import Side, Visit, participant_of
from services.consult.failures import RoomNotOpen
from services.consult.rtc.client import NodeClient
from tests.consult.nodes import real_node, stand_in
from tests.consult.rtc.support import Caller
from tests.support.postgres import database_of
from tests.support.record import Answer
from tests.support.rooms import Door, principal, running, running_valkey, token_of
from tests.support.visits import (
    NOW,
    Booked,
    booked,
    called,
    encounter_of_visit,
    still_to_hear,
    transaction,
    under_way,
)


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    """What a browser with camera and microphone offers."""
    caller = Caller()
    yield await caller.offer()
    await caller.hang_up()


async def join(door: Door, settings: Settings, one: Booked, by: Principal, body: Any) -> Answer:
    path = f"/consult/rooms/{one.encounter}/participants"
    return await door.ask("POST", path, token=token_of(settings, by), body=body)


async def finish(settings: Settings, one: Booked) -> None:
    async with transaction("consult", settings) as tx:
        ids = CountedIds(f"end-{one.appointment}")
        await visiting.finish(tx, one.encounter, by=one.doctor, ids=ids, now=NOW)


async def status(settings: Settings, one: Booked) -> str:
    return str((await encounter_of_visit(settings, one)).resource["status"])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another part of this process is about to do."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the node's room list sets no event
            await asyncio.sleep(0.02)


async def test_visit_begins_with_its_doctor(migrated: Settings, offer: str) -> None:
    """The patient waits in the room; when the doctor joins, the visit is under way and appointments is told."""
    one = await called(migrated)
    async with real_node(migrated) as node, running("consult", migrated) as door:
        patient = await join(door, migrated, one, one.person, {"sdp": offer})
        assert (patient.status, await status(migrated, one)) == (201, "arrived")
        doctor = await join(door, migrated, one, one.doctor, {"sdp": offer})
        assert (doctor.status, await status(migrated, one)) == (201, "in-progress")
        assert doctor.json["sdp"].startswith("v=0")
        names = {patient.json["participant"], doctor.json["participant"]}
        assert names == {participant_of(one.encounter, side) for side in Side}
        assert set(node.worker.present) == {(one.encounter, name) for name in names}
    async with transaction("consult", migrated) as tx:
        rows = await tx.raw.fetch("select body from flow.event where kind = 'yuzhen.consult.v1.VisitStarted'")
    assert sum(one.encounter.encode() in row["body"] for row in rows) == 1


async def test_joining_again_replaces(migrated: Settings, offer: str) -> None:
    """Whoever joins again, after a lost connection or from another device, has the same place; the visit goes on."""
    one = await called(migrated)
    async with real_node(migrated) as node, running("consult", migrated) as door:
        answers = [await join(door, migrated, one, one.doctor, {"sdp": offer}) for _ in range(3)]
        assert {answer.status for answer in answers} == {201}
        assert len({answer.json["participant"] for answer in answers}) == 1
        assert len(set(node.worker.present)) == 1
    assert (await encounter_of_visit(migrated, one)).version == 2


async def test_strangers_stay_outside(migrated: Settings, offer: str) -> None:
    """Another patient does not even find the room; a colleague, a pharmacist and a system may not enter it."""
    one = await under_way(migrated)
    pharmacist = principal(Role.PHARMACIST, "Practitioner/pharmacist-9", organization="Organization/pharmacy-9")
    expected = [(one.stranger, 404), (one.colleague, 403), (pharmacist, 404), (principal(Role.SYSTEM), 403)]
    async with real_node(migrated) as node, running("consult", migrated) as door:
        for by, wanted in expected:
            assert (await join(door, migrated, one, by, {"sdp": offer})).status == wanted
        nobody = await door.ask("POST", f"/consult/rooms/{one.encounter}/participants", body={"sdp": offer})
        assert nobody.status == 401
        assert not set(node.worker.present)


async def test_rooms_that_are_not_open(migrated: Settings, offer: str) -> None:
    """Before the call there is no room, after the end it is closed, and a visit in the clinic has none."""
    early, late, clinic = (
        await booked(migrated),
        await under_way(migrated),
        await called(migrated, visit=Visit.IN_PERSON),
    )
    await finish(migrated, late)
    async with real_node(migrated), running("consult", migrated) as door:
        answers = [await join(door, migrated, one, one.person, {"sdp": offer}) for one in (early, late, clinic)]
    assert [answer.status for answer in answers] == [404, 409, 409]
    assert [answer.json["code"] for answer in answers[1:]] == ["room-not-open", "not-by-video"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", {}, {"sdp": 7}, {"sdp": ""}, {"sdp": "v=0\r\nnonsense"}])
async def test_offers_that_cannot_be_served(migrated: Settings, body: Any) -> None:
    """A broken offer is refused with a sentence, and begins no visit."""
    one = await called(migrated)
    async with real_node(migrated), running("consult", migrated) as door:
        answer = await join(door, migrated, one, one.doctor, body)
    assert (answer.status, await status(migrated, one)) == (400, "arrived")
    assert answer.json["code"] in {"offer-missing", "offer-invalid"}


async def test_node_away(migrated: Settings, offer: str) -> None:
    """Without a media node the answer is Busy, and the visit has not begun."""
    one = await called(migrated)
    async with running("consult", migrated) as door:
        answer = await join(door, migrated, one, one.doctor, {"sdp": offer})
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "media-node-down", "1")
    assert await status(migrated, one) == "arrived"


async def test_node_that_hangs(migrated: Settings) -> None:
    """While many wait for a node that hangs, the record can still be read; in the end they are told to try again."""
    one = await called(migrated)

    async def hang() -> None:
        await asyncio.Event().wait()

    async with stand_in(migrated, hang) as node, running("consult", migrated) as door:
        await _ready(door, migrated, one, node.asked)
        joins = [asyncio.create_task(join(door, migrated, one, one.person, {"sdp": "v=0"})) for _ in range(30)]
        await until(lambda: node.commands.count("join") >= 30)
        seen = await door.ask("GET", f"/fhir/Encounter/{one.encounter}", token=token_of(migrated, one.person))
        assert (seen.status, [task.done() for task in joins]) == (200, [False] * 30)
        assert {answer.json["code"] for answer in await asyncio.gather(*joins)} == {"media-node-slow"}


async def _ready(door: Door, settings: Settings, one: Booked, asked: asyncio.Event) -> None:
    """Wait until consult has its stream to the node."""
    path = f"/consult/rooms/{one.encounter}/participants/{participant_of(one.encounter, Side.PATIENT)}"
    async with asyncio.timeout(20):
        while not asked.is_set():
            await door.ask("DELETE", path, token=token_of(settings, one.person))


async def test_visit_that_ends_while_someone_joins(migrated: Settings) -> None:
    """Whoever is let in by the node just after the end is shown out again and told that the room is closed."""
    one = await under_way(migrated)
    async with stand_in(migrated, lambda: finish(migrated, one)) as node, running("consult", migrated) as door:
        await _ready(door, migrated, one, node.asked)
        answer = await join(door, migrated, one, one.person, {"sdp": "v=0"})
        assert (answer.status, answer.json["code"]) == (409, "room-not-open")
        assert node.commands[node.commands.index("join") :].count("leave") == 1


async def test_entering_needs_an_open_visit(migrated: Settings) -> None:
    """Between admission and entry the visit may end: then nobody enters."""
    one = await under_way(migrated)
    async with transaction("consult", migrated) as tx:
        place = await meeting.admitted(tx, one.encounter, by=one.person)
    await finish(migrated, one)
    async with transaction("consult", migrated) as tx:
        with pytest.raises(RoomNotOpen):
            await meeting.entered(tx, place, by=one.person, ids=CountedIds(), now=NOW)


async def test_leaving(migrated: Settings, offer: str) -> None:
    """Each leaves the own place, twice if need be, and nobody shows another out."""
    one = await called(migrated)
    room = f"/consult/rooms/{one.encounter}/participants"
    async with real_node(migrated) as node, running("consult", migrated) as door:
        mine = (await join(door, migrated, one, one.person, {"sdp": offer})).json["participant"]
        other = await door.ask("DELETE", f"{room}/{mine}", token=token_of(migrated, one.doctor))
        assert (other.status, len(set(node.worker.present))) == (403, 1)
        for _ in range(2):
            left = await door.ask("DELETE", f"{room}/{mine}", token=token_of(migrated, one.person))
            assert (left.status, len(set(node.worker.present))) == (204, 0)


async def test_room_closes_with_the_visit(migrated: Settings, offer: str) -> None:
    """When the doctor ends the visit, the node's room is closed."""
    one = await called(migrated)
    async with real_node(migrated) as node, running("consult", migrated) as door:
        for by in (one.person, one.doctor):
            assert (await join(door, migrated, one, by, {"sdp": offer})).status == 201
        path = f"/fhir/Encounter/{one.encounter}/$finish"
        assert (await door.ask("POST", path, token=token_of(migrated, one.doctor))).status == 200
        await until(lambda: not set(node.worker.present))


async def test_closing_is_not_lost_with_the_node(migrated: Settings) -> None:
    """A room that could not be closed because the node was away is closed when it is back."""
    one, clock = await under_way(migrated), FixedClock(NOW)
    await finish(migrated, one)
    redis = notify.connect(migrated.redis_url)
    async with database_of("consult", migrated) as database, NodeClient(migrated.rtc_address) as client:
        room = Room("consult", migrated, clock, CountedIds(), database, redis, None, None, None)  # type: ignore[arg-type]
        consumer = Consumer("consult", database, redis, clock, handlers(room, client))
        while await consumer.deliver_one():
            pass
        async with database.transaction() as tx:
            assert await still_to_hear(tx, events.FINISHED, one.encounter) == 1
        async with stand_in(migrated) as node:
            await client.ready()
            clock.at = NOW.replace(hour=3)
            while await consumer.deliver_one():
                pass
            assert "close" in node.commands
        async with database.transaction() as tx:
            assert await still_to_hear(tx, events.FINISHED, one.encounter) == 0
    await redis.aclose()


async def test_rooms_left_over_are_closed(migrated: Settings, offer: str) -> None:
    """When consult finds a node with rooms of visits that are over, it closes them and leaves the others open."""
    over, going = await under_way(migrated), await under_way(migrated)
    await finish(migrated, over)
    async with real_node(migrated) as node:
        for one in (over, going):
            node.worker.join(one.encounter, "someone", offer)
        async with running("consult", migrated):
            await until(lambda: {room for room, _ in node.worker.present} == {going.encounter})


async def test_media_events_are_announced(migrated: Settings, offer: str) -> None:
    """When someone's connection ends, the open pages of patient, doctor and clinic are told to look at the visit."""
    one = await called(migrated)
    async with running_valkey(migrated) as redis, real_node(migrated) as node, running("consult", migrated) as door:
        await join(door, migrated, one, one.person, {"sdp": offer})
        async with redis.pubsub(ignore_subscribe_messages=True) as ear:
            people = {f"live:Patient/{one.patient}", f"live:{one.practitioner}", f"live:{one.service}"}
            await ear.subscribe(*people)
            node.worker.leave(one.encounter, participant_of(one.encounter, Side.PATIENT))
            heard: dict[str, str] = {}
            async with asyncio.timeout(20):
                while heard.keys() != people:
                    word = await ear.get_message(timeout=5)
                    if word:
                        heard[word["channel"].decode()] = word["data"].decode()
    assert set(heard.values()) == {f"Encounter/{one.encounter}"}
