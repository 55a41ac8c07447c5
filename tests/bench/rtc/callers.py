"""Callers that connect for real and then send media encrypted beforehand."""

import asyncio
import struct
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import aioice.ice
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder

from services.consult.rtc.sdp import TRANSPORT_WIDE

RATE, FRAMES, BITRATE = 30, 90, 1_000_000
SOUNDS_PER_SECOND = 50
SPREAD = 0.0025
"""Seconds between two packets of one frame, at most."""
MID_ID, SEQUENCE_ID = 1, 5

Join = Callable[[str, str, str], Awaitable[str]]
"""Room, participant, offer; gives the answer."""


@cache
def video() -> list[list[bytes]]:
    """Payloads of a few seconds of VP8, 640x480 with noise, by frame; the first is a keyframe."""
    source = av.open(f"testsrc2=size=640x480:rate={RATE},noise=alls=10:allf=t,format=yuv420p", format="lavfi")
    encoder, frames = Vp8Encoder(), []
    encoder.target_bitrate = BITRATE
    for number, frame in enumerate(source.decode(video=0)):
        if number == FRAMES:
            break
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90000)
        frames.append(encoder.encode(frame)[0])
    return frames


@cache
def sound() -> bytes:
    """One 20 ms packet of Opus."""
    encoder = OpusEncoder()
    for number in range(10):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
        frame.planes[0].update(bytes(range(256)) * 15)
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * 960, Fraction(1, 48000)
        payloads, _ = encoder.encode(frame)
    return payloads[0]


@dataclass(slots=True)
class Stream:
    """One stream's protected packets, end to end in one block, with their due times in seconds."""

    payload_type: int
    due: list[float]
    lengths: "array[int]"
    offsets: "array[int]"
    block: bytes


class LoadCaller:
    """A participant with one audio and one video m-line and no media of its own."""

    def __init__(self) -> None:
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for kind in ("audio", "video"):
            self._connection.addTransceiver(kind, direction="sendrecv")

    async def join(self, join: Join, room: str, participant: str) -> None:
        """Offer as a browser does, with transport-wide feedback, and wait for the connection."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        extension = f"a=extmap:{SEQUENCE_ID} {TRANSPORT_WIDE}\r\na=rtcp-fb:* transport-cc\r\na=mid:"
        offer = self._connection.localDescription.sdp.replace("a=mid:", extension)
        await self._connection.setRemoteDescription(
            RTCSessionDescription(await join(room, participant, offer), "answer")
        )
        while self._connection.connectionState != "connected":  # noqa: ASYNC110 -- set-up is not measured
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        await self._connection.close()

    def take_socket(self) -> tuple[int, tuple[str, int]]:
        """The socket, no longer read by aiortc, and the server's address."""
        ice = self._connection.getTransceivers()[0].sender.transport.transport
        pair = ice._connection._nominated[1]
        descriptor: int = pair.protocol.transport.get_extra_info("socket").fileno()
        asyncio.get_running_loop()._remove_reader(descriptor)  # type: ignore[attr-defined]
        return descriptor, pair.remote_addr

    def streams(self, seconds: float, phase: float) -> list[Stream]:
        """Audio and video for that long, encrypted; `phase` (0 to 1) shifts the frames of this caller."""
        plan = sorted(
            [(due, 0, payload, number, True) for number, (due, payload) in enumerate(_sounds(seconds, phase))]
            + [(due, 1, payload, frame, last) for due, payload, frame, last in _pictures(seconds, phase)],
            key=lambda item: item[0],
        )
        protected: list[list[tuple[float, bytes]]] = [[], []]
        transceivers = self._connection.getTransceivers()
        protect = transceivers[0].sender.transport._tx_srtp.protect
        clocks = (960, 3000)
        for number, (due, which, payload, tick, last) in enumerate(plan):
            transceiver = transceivers[which]
            kind = _payload_type(transceiver)
            count = len(protected[which])
            header = struct.pack(
                "!BBHII", 0x90, kind | last << 7, count & 0xFFFF, tick * clocks[which], transceiver.sender._ssrc
            )
            mid = (transceiver.mid or "0").encode()
            extensions = struct.pack("!HHBcBH3x", 0xBEDE, 2, MID_ID << 4, mid, SEQUENCE_ID << 4 | 1, number & 0xFFFF)
            protected[which].append((due, protect(header + extensions + payload)))
        return [_stream(_payload_type(transceivers[which]), protected[which]) for which in (0, 1)]


def use_loopback() -> None:
    """Let callers use 127.0.0.1, which aioice leaves out."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def _payload_type(transceiver: RTCRtpTransceiver) -> int:
    return int(transceiver._codecs[0].payloadType or 0)


def _sounds(seconds: float, phase: float) -> list[tuple[float, bytes]]:
    return [((number + phase) / SOUNDS_PER_SECOND, sound()) for number in range(int(seconds * SOUNDS_PER_SECOND))]


def _pictures(seconds: float, phase: float) -> list[tuple[float, bytes, int, bool]]:
    packets = []
    for number in range(int(seconds * RATE)):
        payloads = video()[number % FRAMES]
        gap = min(SPREAD, 0.8 / RATE / len(payloads))
        begins = (number + phase) / RATE
        packets += [(begins + i * gap, p, number, i == len(payloads) - 1) for i, p in enumerate(payloads)]
    return packets


def _stream(payload_type: int, packets: list[tuple[float, bytes]]) -> Stream:
    lengths = array("H", [len(packet) for _, packet in packets])
    offsets, at = array("I"), 0
    for length in lengths:
        offsets.append(at)
        at += length
    return Stream(
        payload_type, [due for due, _ in packets], lengths, offsets, b"".join(packet for _, packet in packets)
    )
