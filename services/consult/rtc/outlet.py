"""What a participant receives: the payloads of others under headers of its own (RFC 7667 section 3.7)."""

from collections.abc import Sequence
from secrets import randbelow
from typing import Protocol

from services.consult.rtc import rtcp
from services.consult.rtc.answer import Ssrcs
from services.consult.rtc.history import History
from services.consult.rtc.reception import Reception
from services.consult.rtc.rtp import HEADER, HEADER_SIZE, extension_block
from services.consult.rtc.sdp import MID, Codec, Section
from services.consult.rtc.srtp import PacketBuffer

RESENDS_PER_TURN = 32
"""Retransmissions one outlet may send between two timer turns; bounds what a flood of NACKs can cost."""


class Link(Protocol):
    """The way to one participant. Media is built in the outbox, then sent by its size."""

    outbox: PacketBuffer
    round_trip: float

    def send_media(self, size: int) -> None: ...
    def send_control(self, packet: bytes) -> None: ...


class Source(Protocol):
    """What an outlet needs of the track that feeds it."""

    codecs: dict[int, Codec]
    history: History
    outlets: list["Outlet"]
    reception: Reception | None

    def want_keyframe(self) -> None: ...


class Outlet:
    """What one participant receives on one m-line: its own stream, fed by one track at a time."""

    def __init__(self, section: Section, link: Link, ssrcs: Ssrcs, cname: str) -> None:
        self.kind = section.kind
        self.ssrc = ssrcs.media
        self.source: Source | None = None
        self.octets = self.packets = 0
        self.resends_left = RESENDS_PER_TURN
        self._section = section
        self._link = link
        self._rtx_ssrc = ssrcs.rtx
        self._rtx_sequence = 0
        self._cname = cname.encode()
        identity = section.extensions.get(MID)
        self._extensions = extension_block(identity, section.mid.encode()) if identity else b""
        self._first_byte = 0x90 if identity else 0x80
        self._payload_at = HEADER_SIZE + len(self._extensions)
        self._types: dict[int, int] = {}
        self._rtx_types: dict[int, int] = {}
        self._sequence_offset = self._timestamp_offset = 0
        self._newest_sequence = self._newest_timestamp = self._start_sequence = 0
        self._newest_at = 0.0
        self._sent_since_start = 0
        self._starting = self._held = True
        self._report_ntp, self._reported_at = 0, 0.0

    def attach(self, track: Source) -> None:
        """Feed this outlet from `track`, a video from its next keyframe on."""
        self.source = track
        track.outlets.append(self)
        ours = {codec.name: codec for codec in self._section.codecs}
        pairs = [(codec.payload_type, ours[codec.name]) for codec in track.codecs.values() if codec.name in ours]
        self._types = {theirs: codec.payload_type for theirs, codec in pairs}
        self._rtx_types = {theirs: codec.rtx for theirs, codec in pairs if codec.rtx is not None}
        self.restart()

    def restart(self) -> None:
        """Continue with a new stream of the source as if it were the old one."""
        self._starting = True
        self._held = self.kind == "video"
        if self._held and self.source:
            self.source.want_keyframe()

    def detach(self) -> None:
        """Feed this outlet from nothing."""
        if self.source:
            self.source.outlets.remove(self)
        self.source = None

    def may_begin(self) -> None:
        """The packet now coming begins a keyframe."""
        self._held = False

    def forward(
        self,
        inbox: PacketBuffer,
        size: int,
        start: int,
        marked: int,
        sequence: int,
        timestamp: int,
        step: int,
        now: float,
    ) -> None:
        """Send a received packet on under this outlet's own header."""
        payload_type = self._types.get(marked & 0x7F)
        if payload_type is None or self._held:
            return
        if self._starting:
            self._start(sequence, timestamp, now)
        elif step <= 0 and self._before_start(sequence):
            return
        sequence = sequence + self._sequence_offset & 0xFFFF
        timestamp = timestamp + self._timestamp_offset & 0xFFFFFFFF
        if step > 0:
            self._newest_sequence, self._newest_timestamp, self._newest_at = sequence, timestamp, now
        outbox, at = self._link.outbox, self._payload_at
        first = self._first_byte | inbox.bytes[0] & 0x20
        HEADER.pack_into(outbox.bytes, 0, first, marked & 0x80 | payload_type, sequence, timestamp, self.ssrc)
        view, end = outbox.view, at + size - start
        view[HEADER_SIZE:at] = self._extensions
        view[at:end] = inbox.view[start:size]
        self.packets += 1
        self.octets += size - start
        self._sent_since_start += 1
        self._link.send_media(end)

    def resend(self, lost: Sequence[int]) -> None:
        """Send again what the participant misses and we still have."""
        if self.source is None or self._starting:
            return
        history = self.source.history
        for sequence in lost[: self.resends_left]:
            original = sequence - self._sequence_offset & 0xFFFF
            slot = history.find(original)
            if slot >= 0 and not self._before_start(original):
                self.resends_left -= 1
                self._resend(history.packet(slot), history.starts[slot], sequence)

    def sender_reported(self, times: rtcp.SenderTimes, now: float) -> None:
        """Report this stream with the publisher's wall clock."""
        if self._starting:
            return
        timestamp = times.timestamp + self._timestamp_offset & 0xFFFFFFFF
        ours = rtcp.SenderTimes(self.ssrc, times.ntp, timestamp)
        self._report_ntp, self._reported_at = times.ntp >> 16 & 0xFFFFFFFF, now
        self._link.send_control(rtcp.sender_report(ours, self.packets, self.octets, self._cname))

    def reported(self, report: rtcp.ReportBlock, now: float) -> None:
        """Learn the round trip to the participant from its reception report."""
        if report.last_report and report.last_report == self._report_ntp:
            sample = max(0.0, now - self._reported_at - report.delay / 65536)
            self._link.round_trip += (min(sample, 2.0) - self._link.round_trip) / 4

    def _start(self, sequence: int, timestamp: int, now: float) -> None:
        """Choose offsets so that numbers and times run on where the former source stopped."""
        self._starting = False
        self._start_sequence, self._sent_since_start = sequence, 0
        if not self.packets:
            # A wrap within the first packets would leave the receiver's SRTP guessing (RFC 3711 section 3.3.1).
            self._sequence_offset = randbelow(0x7FFF) - sequence
        elif self.source and self.source.reception:
            elapsed = int((now - self._newest_at) * self.source.reception.clock_rate)
            self._sequence_offset = self._newest_sequence + 1 - sequence
            self._timestamp_offset = self._newest_timestamp + max(1, elapsed) - timestamp

    def _before_start(self, sequence: int) -> bool:
        return self._sent_since_start < 0x4000 and sequence - self._start_sequence & 0xFFFF >= 0x8000

    def _resend(self, packet: memoryview, start: int, sequence: int) -> None:
        marked = packet[1]
        outbox, at = self._link.outbox, self._payload_at
        timestamp = int.from_bytes(packet[4:8], "big") + self._timestamp_offset & 0xFFFFFFFF
        rtx = self._rtx_types.get(marked & 0x7F)
        ssrc, payload_type, number = self.ssrc, self._types.get(marked & 0x7F, 0), sequence
        if rtx is not None:
            self._rtx_sequence = self._rtx_sequence + 1 & 0xFFFF
            ssrc, payload_type, number = self._rtx_ssrc, rtx, self._rtx_sequence
            outbox.bytes[at : at + 2] = sequence.to_bytes(2, "big")
            at += 2
        first = self._first_byte | packet[0] & 0x20
        HEADER.pack_into(outbox.bytes, 0, first, marked & 0x80 | payload_type, number, timestamp, ssrc)
        outbox.view[HEADER_SIZE : self._payload_at] = self._extensions
        end = at + len(packet) - start
        outbox.view[at:end] = packet[start:]
        self._link.send_media(end)
