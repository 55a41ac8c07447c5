"""A WebRTC client like a browser, but one that can prove what it saw: every frame carries a number drawn in blocks."""

import asyncio
import contextlib
from collections.abc import Sequence
from fractions import Fraction

import aioice.ice
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack, VideoStreamTrack

from yuzhen.demo.api import Person

WIDTH, HEIGHT, BLOCK, BITS = 320, 240, 20, 16
RATE = 15

_found_addresses = aioice.ice.get_host_addresses


def _with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """aioice leaves the loopback address out; on a machine without network it is the only one."""
    return [*_found_addresses(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]


aioice.ice.get_host_addresses = _with_loopback


class NumberedVideo(VideoStreamTrack):
    """A camera that films a counter."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.sent = range(first, first)
        self._next = first
        self._first = first

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(1 / RATE)
        frame = drawn(self._next % (1 << BITS))
        frame.pts, frame.time_base = (self._next - self._first) * (90000 // RATE), Fraction(1, 90000)
        self._next += 1
        self.sent = range(self._first, self._next)
        return frame


class Peer:
    """One participant of the room."""

    def __init__(self, person: Person, *, first: int) -> None:
        self.person = person
        self.video = NumberedVideo(first)
        self.seen: list[int] = []
        self.heard = 0
        self.participant = ""
        self._progress = asyncio.Event()
        self._room = ""
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, encounter: str) -> None:
        """Enter the visit's room with camera and microphone."""
        self._pc.addTrack(AudioStreamTrack())
        self._pc.addTrack(self.video)
        self._pc.on("track", self._watch)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        self._room = f"/consult/rooms/{encounter}/participants"
        answer = await self.person.post(self._room, {"sdp": self._pc.localDescription.sdp})
        self.participant = answer["participant"]
        await self._pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def sees(self, frames: int, *, of: "Peer", within: float) -> int:
        """Wait until so many of the other's frames were decoded and sound came; returns how many matched."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self.matching(of.video.sent)) < frames or self.heard < frames:
                    await self._progress.wait()
                    self._progress.clear()
        return len(self.matching(of.video.sent))

    def matching(self, sent: Sequence[int]) -> list[int]:
        """Frames seen here that the other really sent."""
        codes = {number % (1 << BITS) for number in sent}
        return [number for number in self.seen if number in codes]

    async def leave(self) -> None:
        """Leave the room and put the camera away."""
        for task in self._tasks:
            task.cancel()
        if self.participant:
            await self.person.delete(f"{self._room}/{self.participant}")
        await self._pc.close()

    def _watch(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._look(track) if track.kind == "video" else self._listen(track)))

    async def _look(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self.seen.append(number_in(frame))
                    self._progress.set()

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.heard += 1
                self._progress.set()


def drawn(number: int) -> av.VideoFrame:
    """A grey picture with the number as a row of black and white blocks."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma = frame.planes[0]
    blocks = b"".join(bytes([235 if number >> bit & 1 else 16]) * BLOCK for bit in range(BITS))
    pad = bytes(luma.line_size - WIDTH)
    luma.update((blocks + pad) * BLOCK + (bytes([128]) * WIDTH + pad) * (HEIGHT - BLOCK))
    for plane in frame.planes[1:]:
        plane.update(bytes([128]) * plane.buffer_size)
    return frame


def number_in(frame: av.VideoFrame) -> int:
    """The number drawn in a decoded picture."""
    luma = frame.planes[0]
    line = bytes(luma)[luma.line_size * (BLOCK // 2) :]
    return sum(1 << bit for bit in range(BITS) if line[bit * BLOCK + BLOCK // 2] > 128)
