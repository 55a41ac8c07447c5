"""Real calls through a node: two independent WebRTC stacks send, receive, lose packets and come back."""

import asyncio
from collections.abc import Callable

import pytest

from services.consult.rtc.events import Left, LeftReason, MediaFlowing
from services.consult.rtc.failures import RoomFull
from tests.consult.rtc.support import Caller, LossySocket, gaps, local_node, strength

Callers = Callable[..., Caller]


async def test_each_sees_and_hears_the_other(caller: Callers) -> None:
    """Both participants decode the other's numbered frames in order and hear the other's tone, not their own."""
    anna, bo = caller(440), caller(1200)
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await asyncio.gather(anna.until_seen(40, 60), bo.until_seen(40, 60))
        for one, other in ((anna, bo), (bo, anna)):
            assert one.seen == sorted(set(one.seen))
            assert one.seen[-1] <= other.camera.sent
            assert not list(gaps(one.seen[1:]))
        assert strength(anna.heard[-1], 1200) > 0.8
        assert strength(bo.heard[-1], 440) > 0.8
        flowing = {event for event in node.told if isinstance(event, MediaFlowing)}
        assert flowing == {MediaFlowing("room", who, kind) for who in ("anna", "bo") for kind in ("audio", "video")}


async def test_rooms_are_apart(caller: Callers) -> None:
    """A participant alone in another room sees nobody."""
    anna, bo, stranger = caller(), caller(), caller()
    async with local_node() as node:
        await stranger.call(node, "another", "stranger")
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await anna.until_seen(10)
        assert stranger.seen == []


@pytest.mark.parametrize("lossy", ["received", "sent"])
async def test_lost_packets_are_repaired(caller: Callers, lossy: str) -> None:
    """With every tenth media packet lost on the way in or out, every frame still arrives."""
    pattern = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    sockets: list[LossySocket] = []

    def wrap(sock: object) -> LossySocket:
        losses = {"received": [0], "sent": [0]} | {lossy: pattern}
        sockets.append(LossySocket(sock, **losses))  # type: ignore[arg-type]
        return sockets[-1]

    anna, bo = caller(), caller()
    async with local_node(wrap) as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await asyncio.gather(anna.until_seen(90), bo.until_seen(90))
        assert sockets[0].lost[lossy] > 20
        for one in (anna, bo):
            assert not list(gaps(one.seen[1:]))


async def test_joining_again_replaces_the_former_connection(caller: Callers) -> None:
    """A participant that comes back is seen at once by the other, on the other's unchanged connection."""
    anna, bo, bo_again = caller(440), caller(800), caller(1200)
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await anna.until_seen(20, 20)
        await bo_again.call(node, "room", "bo")
        assert Left("room", "bo", LeftReason.REPLACED) in node.told
        before = len(anna.seen)
        await asyncio.gather(anna.until_seen(30, 40), bo_again.until_seen(30))
        assert min(anna.seen[before:]) < anna.seen[before - 1]
        assert anna.seen[-1] <= bo_again.camera.sent
        assert strength(anna.heard[-1], 1200) > 0.8
        assert strength(bo_again.heard[-1], 440) > 0.8


async def test_a_third_participant_is_refused(caller: Callers) -> None:
    """A full room refuses another participant and the call goes on."""
    anna, bo, third = caller(), caller(), caller()
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        with pytest.raises(RoomFull):
            node.worker.join("room", "third", await third.offer())
        await anna.until_seen(10)


async def test_hanging_up_frees_the_place(caller: Callers) -> None:
    """A participant whose browser says goodbye has left, and another may come."""
    anna, bo, next_one = caller(), caller(), caller(900)
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await bo.until_seen(1)
        await bo.hang_up()
        await node.until_told(Left("room", "bo", LeftReason.CLOSED))
        await next_one.call(node, "room", "next")
        await anna.until_seen(10, 40)
        assert strength(anna.heard[-1], 900) > 0.8


async def test_three_are_carried_where_the_limit_allows(caller: Callers) -> None:
    """Only admission knows the number two: with a larger limit the third participant sees somebody, too."""
    callers = [caller(), caller(), caller()]
    async with local_node(capacity=3) as node:
        for number, one in enumerate(callers):
            await one.call(node, "room", str(number))
        await asyncio.gather(*(one.until_seen(5) for one in callers))
