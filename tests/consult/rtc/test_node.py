"""The node as a process of its own, commanded over its stream, killed and started again."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kernel.failures import Busy, Conflict, Invalid
from proto.yuzhen.consult.v1 import rtc_pb2 as wire
from services.consult.rtc.client import NodeClient
from services.consult.rtc.control import ControlAddress, read_frame, write_frame
from services.consult.rtc.events import (
    Connected,
    Event,
    Hello,
    Left,
    LeftReason,
    Load,
    MediaFlowing,
    from_wire,
    to_wire,
)
from services.consult.rtc.failures import NodeDown, OfferInvalid, RoomFull
from services.consult.rtc.node import own_addresses
from tests.consult.rtc.support import Caller

SERVE = """
import sys
from services.consult.rtc.node import serve
serve(control=sys.argv[1], media_addresses=["127.0.0.1"], media_port=0)
"""
FORKED = """
import os, signal, sys, threading
before = set(os.listdir("/proc/self/fd"))
from services.consult.rtc.node import serve
assert threading.active_count() == 1, "a thread was made at import"
assert set(os.listdir("/proc/self/fd")) == before, "a file or socket was opened at import"
child = os.fork()
if child == 0:
    serve(control=sys.argv[1], media_addresses=[], media_port=0)
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

Start = Callable[..., Awaitable[subprocess.Popen[bytes]]]


@pytest.fixture
def control(tmp_path: Path) -> str:
    """Where the node listens."""
    return f"unix:{tmp_path / 'rtc.sock'}"


@pytest.fixture
async def start(control: str) -> AsyncIterator[Start]:
    """Starts node processes and ends those that are left."""
    started: list[subprocess.Popen[bytes]] = []

    async def begin(program: str = SERVE) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", program, control]))  # noqa: ASYNC220 -- starts at once
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


async def until(node: NodeClient, wanted: Callable[[Event], bool]) -> list[Event]:
    """The events up to the first that fits, which is the last of them."""
    seen: list[Event] = []
    async with asyncio.timeout(20):
        async for event in node.events():
            seen.append(event)
            if wanted(event):
                break
    return seen


async def hello(node: NodeClient) -> Hello:
    """The node's next greeting."""
    seen = await until(node, lambda event: isinstance(event, Hello))
    assert isinstance(seen[-1], Hello)
    return seen[-1]


def mode(control: str) -> int:
    """Who may use the node's socket."""
    return Path(control.removeprefix("unix:")).stat().st_mode & 0o777


async def read_to_end(reader: asyncio.StreamReader) -> None:
    """Read messages until the stream ends."""
    while True:
        await read_frame(reader)


async def join(node: NodeClient, caller: Caller, participant: str) -> None:
    """Join and connect."""
    await caller.accept(await node.join(room="room", participant=participant, offer=await caller.offer()))
    await caller.until_connected()


async def test_a_call_through_a_node_process(control: str, start: Start, caller: Callable[..., Caller]) -> None:
    """consult hears of each step, refusals arrive as failures, and closing the room ends both connections."""
    await start()
    anna, bo, third = caller(), caller(), caller()
    async with NodeClient(control) as node:
        await node.ready()
        await join(node, anna, "anna")
        await join(node, bo, "bo")
        await asyncio.gather(anna.until_seen(10), bo.until_seen(10))
        with pytest.raises(RoomFull) as full:
            await node.join(room="room", participant="third", offer=await third.offer())
        assert isinstance(full.value, Conflict)
        assert full.value.code == "room-full"
        with pytest.raises(OfferInvalid) as invalid:
            await node.join(room="room", participant="bo", offer="hello")
        assert isinstance(invalid.value, Invalid)
        assert invalid.value.diagnostics
        load = await node.load()
        assert (load.rooms, load.participants) == (1, 2)
        assert load.packets_sent > 20
        await node.leave(room="room", participant="nobody")
        await node.close_room("room")
        seen = await until(node, lambda event: isinstance(event, Left) and event.participant == "bo")
        assert isinstance(seen[0], Hello)
        assert Connected("room", "anna") in seen
        assert MediaFlowing("room", "bo", "video") in seen
        assert Left("room", "anna", LeftReason.CLOSED) in seen
        assert (await node.load()).participants == 0


async def test_a_killed_node_is_busy_and_comes_back(control: str, start: Start, caller: Callable[..., Caller]) -> None:
    """While the node is dead consult says Busy; a restarted node is found and says that it is another run."""
    first = await start()
    anna, again = caller(), caller()
    async with NodeClient(control) as node:
        with pytest.raises(NodeDown):
            await node.load()
        await node.ready()
        before = await hello(node)
        await join(node, anna, "anna")
        first.kill()
        first.wait()
        with pytest.raises(Busy):
            await node.load()
        await start()
        after = await hello(node)
        assert after.run != before.run
        assert after.present == frozenset()
        await join(node, again, "anna")


async def test_a_consult_that_returns_is_told_who_is_there(
    control: str, start: Start, caller: Callable[..., Caller]
) -> None:
    """Calls outlive consult's stream; the next stream begins with everyone present."""
    await start()
    anna = caller()
    async with NodeClient(control) as node:
        await node.ready()
        await join(node, anna, "anna")
    async with NodeClient(control) as node:
        assert (await hello(node)).present == frozenset({("room", "anna")})
        assert await until(node, lambda event: isinstance(event, Load) and event.participants == 1)


async def test_a_forked_node_ends_cleanly(control: str, start: Start) -> None:
    """Importing the node makes no thread and opens nothing; a forked one serves, and SIGTERM ends it with 0."""
    process = await start(FORKED)
    async with NodeClient(control) as node:
        await node.ready()
        assert mode(control) == 0o600
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_broken_stream_harms_no_other(control: str, start: Start) -> None:
    """Nonsense, an endless frame and an unknown command end or refuse that stream alone."""
    await start()
    async with NodeClient(control) as node:
        await node.ready()
        for nonsense in (b"\x00\x00\x00\x04\xff\xff\xff\xff", b"\xff\xff\xff\xff"):
            reader, writer = await ControlAddress.read(control).connect()
            await read_frame(reader)
            writer.write(nonsense)
            with pytest.raises(EOFError):
                await read_to_end(reader)
            writer.close()
        reader, writer = await ControlAddress.read(control).connect()
        write_frame(writer, wire.Command(id=7).SerializeToString())
        while not (message := wire.Message.FromString(await read_frame(reader))).HasField("reply"):
            pass
        assert (message.reply.id, message.reply.refused.code) == (7, "unknown-command")
        writer.close()
        assert (await node.load()).rooms == 0


def test_control_addresses_are_read() -> None:
    """Both kinds of address are understood, anything else is refused in words."""
    assert ControlAddress.read("unix:/run/rtc.sock") == ControlAddress(path=Path("/run/rtc.sock"))
    assert ControlAddress.read("tcp:[::1]:7000") == ControlAddress(host="::1", port=7000)
    for wrong in ("", "unix:", "tcp:host", "http://host:1", "tcp::7"):
        with pytest.raises(ValueError, match="control address"):
            ControlAddress.read(wrong)


@pytest.mark.parametrize(
    "event",
    [
        Hello("run", frozenset({("a", "b"), ("c", "d")})),
        Connected("a", "b"),
        MediaFlowing("a", "b", "audio"),
        *(Left("a", "b", reason) for reason in LeftReason),
        Load(1, 2, 3, 4, 5, 6),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_survive_the_stream(event: Event) -> None:
    """What is told is what is heard."""
    assert from_wire(wire.Event.FromString(to_wire(event).SerializeToString())) == event


def test_loopback_is_always_reachable() -> None:
    """Without configured addresses the machine's own are told, the loopback one last."""
    assert own_addresses()[-1] == "127.0.0.1"
    assert own_addresses().count("127.0.0.1") == 1
