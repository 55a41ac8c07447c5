"""What the media tests share: a node in this process, participants made of aiortc, and a socket that loses packets."""

import asyncio
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from fractions import Fraction
from itertools import cycle, pairwise
from time import monotonic

import av
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from kernel.clock import SystemClock
from services.consult.rtc.answer import Transport
from services.consult.rtc.dtls import Certificate
from services.consult.rtc.events import Connected, Event
from services.consult.rtc.ice_lite import Address
from services.consult.rtc.node import TURN
from services.consult.rtc.udp_mux import Datagrams, UdpMux, bound_socket
from services.consult.rtc.worker import Worker

WIDTH, HEIGHT, RATE = 320, 240, 30
BITS = 12
BLOCK = 24
SAMPLES = 960


class LossySocket:
    """A UDP socket that loses RTP packets by a pattern: 1 is lost, 0 passes; everything else passes."""

    def __init__(self, sock: socket.socket, *, received: list[int], sent: list[int]) -> None:
        self._sock = sock
        self._received, self._sent = cycle(received), cycle(sent)
        self.lost: Counter[str] = Counter()

    def recvfrom_into(self, buffer: memoryview, /) -> tuple[int, Address]:
        while True:
            size, address = self._sock.recvfrom_into(buffer)
            if _is_media(buffer) and next(self._received):
                self.lost["received"] += 1
                continue
            return size, address

    def sendto(self, packet: memoryview | bytes, address: Address, /) -> int:
        if _is_media(packet) and next(self._sent):
            self.lost["sent"] += 1
            return len(packet)
        return self._sock.sendto(packet, address)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


def _is_media(packet: memoryview | bytes) -> bool:
    return 127 < packet[0] < 192 and not 192 <= packet[1] <= 223


class Diary:
    """Wakes those who wait for something each time something has happened."""

    def __init__(self) -> None:
        self._happened = asyncio.Event()

    def note(self) -> None:
        self._happened.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._happened.clear()
                await self._happened.wait()


class LocalNode:
    """A node in this process without a command stream, and all it has told."""

    def __init__(self, wrap: Callable[[socket.socket], Datagrams], capacity: int) -> None:
        sock = bound_socket(0, ipv6=False)
        self.port: int = sock.getsockname()[1]
        self.mux = UdpMux(wrap(sock))
        self.certificate = Certificate(SystemClock().now())
        transport = Transport(["127.0.0.1"], self.port, self.certificate.fingerprint)
        self.worker = Worker(self.mux, self.certificate, transport, self._hear, capacity=capacity)
        self.told: list[Event] = []
        self.diary = Diary()

    def _hear(self, event: Event) -> None:
        self.told.append(event)
        self.diary.note()

    async def until_told(self, *wanted: Event) -> None:
        """Wait until all of these events have happened."""
        await self.diary.until(lambda: set(wanted) <= set(self.told))

    async def turn(self) -> None:
        """Keep the worker's time."""
        while True:
            self.worker.turn(monotonic())
            await asyncio.sleep(TURN)


@asynccontextmanager
async def local_node(
    wrap: Callable[[socket.socket], Datagrams] = lambda sock: sock, *, capacity: int = 2
) -> AsyncIterator[LocalNode]:
    """A node that runs while the block does."""
    local = LocalNode(wrap, capacity)
    local.mux.attach(local.worker, asyncio.get_running_loop())
    turning = asyncio.create_task(local.turn())
    try:
        yield local
    finally:
        turning.cancel()
        local.worker.close()
        local.mux.close()


class TimeCode(MediaStreamTrack):
    """Video whose frames carry their own number as black and white blocks."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self._begun: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + self.sent / RATE - loop.time())
        frame = draw(self.sent)
        frame.pts, frame.time_base = self.sent * 90000 // RATE, Fraction(1, 90000)
        self.sent += 1
        return frame


def draw(number: int) -> av.VideoFrame:
    """A grey picture with `number` in binary on top and a moving bar below."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    code = b"".join(bytes([235 if number >> bit & 1 else 16]) * BLOCK for bit in range(BITS))
    top = code + bytes([128]) * (frame.planes[0].line_size - len(code))
    bar = bytearray(b"\x60" * frame.planes[0].line_size)
    left = number * 4 % (WIDTH - 16)
    bar[left : left + 16] = b"\xc0" * 16
    frame.planes[0].update(top * BLOCK + bytes(bar) * (HEIGHT - BLOCK))
    for plane in frame.planes[1:]:
        plane.update(b"\x80" * plane.buffer_size)
    return frame


def read(frame: av.VideoFrame) -> int:
    """The number drawn in a frame."""
    plane = frame.planes[0]
    row = bytes(plane)[BLOCK // 2 * plane.line_size :]
    return sum((row[bit * BLOCK + BLOCK // 2] > 128) << bit for bit in range(BITS))


class Tone(MediaStreamTrack):
    """A sine of one frequency in Hz."""

    kind = "audio"

    def __init__(self, frequency: int) -> None:
        super().__init__()
        self._frequency = frequency
        self._sent = 0
        self._begun: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + self._sent * 0.02 - loop.time())
        at = range(self._sent * SAMPLES, (self._sent + 1) * SAMPLES)
        wave = (int(8000 * math.sin(2 * math.pi * self._frequency * t / 48000)) for t in at)
        frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(b"".join(value.to_bytes(2, "little", signed=True) for value in wave))
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._sent * SAMPLES, Fraction(1, 48000)
        self._sent += 1
        return frame


def strength(frame: av.AudioFrame, frequency: int) -> float:
    """How much of one frequency is in a stereo frame: 0 none, 1 nothing else (Goertzel)."""
    left = memoryview(bytes(frame.planes[0])[: frame.samples * 4]).cast("h")[::2].tolist()
    energy = sum(value * value for value in left) or 1
    real = sum(v * math.cos(2 * math.pi * frequency * i / 48000) for i, v in enumerate(left))
    imaginary = sum(v * math.sin(2 * math.pi * frequency * i / 48000) for i, v in enumerate(left))
    return 2 * (real * real + imaginary * imaginary) / (len(left) * energy)


class Caller:
    """A participant with camera and microphone, and all it has seen and heard."""

    def __init__(self, frequency: int = 440) -> None:
        self.camera = TimeCode()
        self.connection = RTCPeerConnection()
        self.connection.addTrack(Tone(frequency))
        self.connection.addTrack(self.camera)
        self.seen: list[int] = []
        self.heard: list[av.AudioFrame] = []
        self._diary = Diary()
        self._watching: list[asyncio.Task[None]] = []
        self.connection.on("track", self._watch)
        self.connection.on("connectionstatechange", self._diary.note)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def call(self, node: LocalNode, room: str, participant: str) -> None:
        """Join a room and wait until the connection stands."""
        connected = Connected(room, participant)
        before = node.told.count(connected)
        await self.accept(node.worker.join(room, participant, await self.offer()))
        await node.diary.until(lambda: node.told.count(connected) > before)
        await self.until_connected()

    async def until_connected(self) -> None:
        """Wait until this end takes the connection for made."""
        await self._diary.until(lambda: self.connection.connectionState == "connected")

    async def until_seen(self, frames: int, sounds: int = 0) -> None:
        """Wait until this many more frames, and this many more sounds, have arrived."""
        frames, sounds = len(self.seen) + frames, len(self.heard) + sounds
        await self._diary.until(lambda: len(self.seen) >= frames and len(self.heard) >= sounds)

    async def hang_up(self) -> None:
        await self.connection.close()
        # aiortc leaves a track open when its connection is closed before it was quite made.
        for watching in self._watching:
            watching.cancel()

    def _watch(self, track: MediaStreamTrack) -> None:
        self._watching.append(asyncio.create_task(self._follow(track)))

    async def _follow(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self.seen.append(read(frame))
                elif isinstance(frame, av.AudioFrame):
                    self.heard.append(frame)
                self._diary.note()


def gaps(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbours that are not one apart."""
    return ((a, b) for a, b in pairwise(numbers) if b != a + 1)
