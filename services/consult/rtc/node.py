"""The rtc node: a process with one UDP port for media and one stream for consult's commands."""

import asyncio
import gc
import logging
import secrets
import signal
from collections.abc import Sequence
from time import monotonic

import ifaddr
from google.protobuf.message import DecodeError

from kernel.clock import SystemClock
from kernel.failures import Failure
from kernel.telemetry import place_of
from proto.yuzhen.consult.v1 import rtc_pb2 as wire
from services.consult.rtc.answer import Transport
from services.consult.rtc.control import ControlAddress, FrameTooLarge, read_frame, write_frame
from services.consult.rtc.dtls import Certificate
from services.consult.rtc.events import Event, Hello, load_to_wire, to_wire
from services.consult.rtc.udp_mux import UdpMux, bound_socket
from services.consult.rtc.worker import Worker

log = logging.getLogger(__name__)

TURN = 0.025
HEARTBEAT = 1.0
COLLECT_WHEN_IDLE = 10.0
COLLECT_AT_LEAST = 120.0
LARGEST_BACKLOG = 4 << 20
"""Bytes of events a listener may lag behind before its stream is cut."""


def serve(*, control: str, media_addresses: Sequence[str], media_port: int) -> None:
    """Carry media until SIGTERM or SIGINT.

    `control` is "unix:/path" or "tcp:host:port"; `media_addresses` are what participants are told to reach, by default
    every IPv4 address of this machine; `media_port` is the UDP port, 0 for any free one. Blocks.
    """
    asyncio.run(_serve(ControlAddress.read(control), media_addresses or own_addresses(), media_port))


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses, the loopback one last."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")] + ["127.0.0.1"]


async def _serve(control: ControlAddress, addresses: Sequence[str], port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sock = bound_socket(port, ipv6=any(":" in address for address in addresses))
    mux = UdpMux(sock)
    certificate = Certificate(SystemClock().now())
    transport = Transport(addresses, sock.getsockname()[1], certificate.fingerprint)
    node = Node(mux, certificate, transport)
    server = await node.listen(control)
    log.info("media on UDP port %d, told as %d addresses", transport.port, len(addresses))
    # A pause of the collector would be a gap in every picture: from here on it runs when there is time for it.
    gc.collect()
    gc.freeze()
    gc.disable()
    node.start(loop)
    await stop.wait()
    server.close()
    node.close()


class Node:
    """The worker, its clock, and the streams that command it."""

    def __init__(self, mux: UdpMux, certificate: Certificate, transport: Transport, *, capacity: int = 2) -> None:
        self.worker = Worker(mux, certificate, transport, self._emit, capacity=capacity)
        self._mux = mux
        self._run = secrets.token_hex(8)
        self._streams: set[asyncio.StreamWriter] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._beat_at = self._collected_at = monotonic()
        self._received = 0

    async def listen(self, control: ControlAddress) -> asyncio.Server:
        """Accept streams of commands; a Unix socket is for this account alone."""
        if control.path is None:
            return await asyncio.start_server(self._accept, control.host, control.port)
        server = await asyncio.start_unix_server(self._accept, str(control.path))
        control.path.chmod(0o600)
        return server

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to carry media."""
        self._mux.attach(self.worker, loop)
        self._timer = loop.call_later(TURN, self._turn, loop)

    def close(self) -> None:
        """Say goodbye to everyone."""
        if self._timer:
            self._timer.cancel()
        self.worker.close()
        self._mux.close()
        for stream in list(self._streams):
            stream.close()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        now = monotonic()
        self._timer = loop.call_later(TURN, self._turn, loop)
        self.worker.turn(now)
        if now - self._beat_at >= HEARTBEAT:
            self._beat_at = now
            self._emit(self.worker.load())
        self._collect(now)

    def _collect(self, now: float) -> None:
        idle, self._received = self._mux.received == self._received, self._mux.received
        since = now - self._collected_at
        if (idle and since > COLLECT_WHEN_IDLE) or since > COLLECT_AT_LEAST:
            self._collected_at = now
            gc.collect()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write_frame(writer, _event(Hello(self._run, frozenset(self.worker.present))))
        self._streams.add(writer)
        try:
            while True:
                command = wire.Command.FromString(await read_frame(reader))
                write_frame(writer, wire.Message(reply=self._obey(command)).SerializeToString())
                await writer.drain()
        except (EOFError, OSError, FrameTooLarge, DecodeError):
            log.info("a command stream has ended")
        except asyncio.CancelledError:
            # The node stops. Streams of Python 3.11 cannot bear a cancelled task and would log a fault.
            log.info("command streams end with the node")
        finally:
            self._streams.discard(writer)
            writer.close()

    def _obey(self, command: wire.Command) -> wire.Reply:
        try:
            return self._done(command)
        except Failure as failure:
            refused = wire.Refused(code=failure.code, message=failure.diagnostics)
        except Exception as error:
            log.error("a command failed: %s", place_of(error))
            refused = wire.Refused(code="fault")
        return wire.Reply(id=command.id, refused=refused)

    def _done(self, command: wire.Command) -> wire.Reply:
        match command.WhichOneof("command"):
            case "join":
                join = command.join
                answer = self.worker.join(join.room, join.participant, join.sdp_offer)
                return wire.Reply(id=command.id, joined=wire.Joined(sdp_answer=answer))
            case "leave":
                self.worker.leave(command.leave.room, command.leave.participant)
            case "close":
                self.worker.close_room(command.close.room)
            case "stats":
                return wire.Reply(id=command.id, load=load_to_wire(self.worker.load()))
            case _:
                return wire.Reply(id=command.id, refused=wire.Refused(code="unknown-command"))
        return wire.Reply(id=command.id, done=wire.Done())

    def _emit(self, event: Event) -> None:
        frame = _event(event)
        for stream in list(self._streams):
            if stream.transport.get_write_buffer_size() > LARGEST_BACKLOG:
                stream.transport.abort()
            else:
                write_frame(stream, frame)


def _event(event: Event) -> bytes:
    return wire.Message(event=to_wire(event)).SerializeToString()
