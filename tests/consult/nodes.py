"""Media nodes for the tests of consult's rooms: the real one in this process, and one that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kernel.clock import SystemClock
from kernel.settings import Settings
from proto.yuzhen.consult.v1 import rtc_pb2 as wire
from services.consult.rtc.answer import Transport
from services.consult.rtc.control import ControlAddress, read_frame, write_frame
from services.consult.rtc.dtls import Certificate
from services.consult.rtc.node import Node
from services.consult.rtc.udp_mux import UdpMux, bound_socket


@asynccontextmanager
async def real_node(settings: Settings) -> AsyncIterator[Node]:
    """The media node, listening where consult looks for it."""
    address = ControlAddress.read(settings.rtc_address)
    sock = bound_socket(0, ipv6=False)
    certificate = Certificate(SystemClock().now())
    transport = Transport(["127.0.0.1"], sock.getsockname()[1], certificate.fingerprint)
    node = Node(UdpMux(sock), certificate, transport)
    server = await node.listen(address)
    node.start(asyncio.get_running_loop())
    try:
        yield node
    finally:
        server.close()
        node.close()
        if address.path:
            address.path.unlink(missing_ok=True)


async def _nothing() -> None:
    """Let a participant in at once."""


@dataclass(slots=True)
class StandIn:
    """A node without media: it notes its commands, and awaits `before_joining` before it lets anyone in."""

    before_joining: Callable[[], Awaitable[None]] = _nothing
    commands: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers: set[asyncio.Task[None]] = set()
        try:
            while True:
                command = wire.Command.FromString(await read_frame(reader))
                answers.add(asyncio.create_task(self._answer(command, writer)))
        except (EOFError, OSError):
            for answer in answers:
                answer.cancel()
            writer.close()

    async def _answer(self, command: wire.Command, writer: asyncio.StreamWriter) -> None:
        kind = command.WhichOneof("command") or ""
        self.commands.append(kind)
        self.asked.set()
        reply = wire.Reply(id=command.id, done=wire.Done())
        if kind == "join":
            await self.before_joining()
            reply = wire.Reply(id=command.id, joined=wire.Joined(sdp_answer="v=0"))
        write_frame(writer, wire.Message(reply=reply).SerializeToString())


@asynccontextmanager
async def stand_in(
    settings: Settings, before_joining: Callable[[], Awaitable[None]] = _nothing
) -> AsyncIterator[StandIn]:
    """A stand-in, listening where consult looks for its node."""
    node = StandIn(before_joining)
    path = ControlAddress.read(settings.rtc_address).path
    assert path is not None
    server = await asyncio.start_unix_server(node.accept, str(path))
    try:
        yield node
    finally:
        server.close()
        path.unlink(missing_ok=True)
