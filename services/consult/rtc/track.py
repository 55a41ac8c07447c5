"""What a participant publishes: received, repaired, kept a while, and given to every outlet (RFC 4588, RFC 4585)."""

from collections.abc import Callable

from services.consult.rtc import rtcp
from services.consult.rtc.answer import feedback_of
from services.consult.rtc.history import History
from services.consult.rtc.keyframes import BEGINS_KEYFRAME, KeyframeRequests
from services.consult.rtc.outlet import Outlet
from services.consult.rtc.reception import Reception
from services.consult.rtc.rtp import HEADER, unwrap_rtx
from services.consult.rtc.sdp import Section
from services.consult.rtc.srtp import PacketBuffer

HISTORY_SLOTS = {"audio": 64, "video": 512}


class Track:
    """What one participant publishes on one m-line, with the packets last received."""

    def __init__(self, section: Section, *, on_flow: Callable[[str], None], on_loss: Callable[["Track"], None]) -> None:
        self.kind = section.kind
        self.mid = section.mid
        self.codecs = {codec.payload_type: codec for codec in section.codecs}
        self._rtx_types = {codec.rtx: codec.payload_type for codec in section.codecs if codec.rtx is not None}
        self._asks = any("nack" in feedback_of(section, codec) for codec in section.codecs)
        self._on_flow = on_flow
        self._on_loss = on_loss
        self.keyframes = KeyframeRequests()
        self.outlets: list[Outlet] = []
        self.reception: Reception | None = None
        self.history = History(1)

    @property
    def payload_types(self) -> set[int]:
        """Every payload type its packets may carry."""
        return {*self.codecs, *self._rtx_types}

    def received(self, inbox: PacketBuffer, size: int, start: int, now: float) -> None:
        """Take a decrypted packet whose payload begins at `start`, and carry it on."""
        payload_type = inbox.bytes[1] & 0x7F
        if payload_type in self.codecs:
            _, marked, sequence, timestamp, ssrc = HEADER.unpack_from(inbox.bytes)
            reception = self.reception
            if reception is None or reception.ssrc != ssrc:
                reception = self._begin(ssrc, payload_type)
            step = reception.add(sequence, timestamp, now)
            if step > 1 and reception.missing:
                self._on_loss(self)
            self._carry(inbox, size, start, marked, sequence, timestamp, step, now)
        elif payload_type in self._rtx_types and self.reception:
            self._recover(self.reception, inbox, size, start, now)

    def _recover(self, reception: Reception, inbox: PacketBuffer, size: int, start: int, now: float) -> None:
        """Carry on what a retransmission repeats, if it was missing."""
        primary = self._rtx_types[inbox.bytes[1] & 0x7F]
        size = unwrap_rtx(inbox.bytes, size, start, primary, reception.ssrc)
        if size:
            _, marked, sequence, timestamp, _ = HEADER.unpack_from(inbox.bytes)
            if reception.recovered(sequence):
                self._carry(inbox, size, start, marked, sequence, timestamp, -1, now)

    def _carry(
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
        self.history.put(sequence, inbox.view[:size], start)
        if self.keyframes.wanted and self._is_keyframe(inbox.bytes, start, size):
            self.keyframes.seen()
            for outlet in self.outlets:
                outlet.may_begin()
        for outlet in self.outlets:
            outlet.forward(inbox, size, start, marked, sequence, timestamp, step, now)

    def want_keyframe(self) -> None:
        """Someone who receives this track cannot decode without a keyframe."""
        if self.kind == "video":
            self.keyframes.want()

    def sender_reported(self, times: rtcp.SenderTimes, now: float) -> None:
        """Carry the publisher's clock on, so that its audio and video stay together."""
        if self.reception is None or self.reception.ssrc != times.ssrc:
            return
        self.reception.sender_reported(times, now)
        for outlet in self.outlets:
            outlet.sender_reported(times, now)

    def feedback(self, sender: int, now: float, round_trip: float) -> bytes:
        """What to ask the publisher for now: lost packets, and a keyframe where they are given up."""
        reception = self.reception
        if reception is None:
            return b""
        due = b""
        if reception.missing:
            lost = reception.to_ask(now, round_trip)
            due = rtcp.nack(sender, reception.ssrc, lost) if lost else b""
        if reception.gave_up:
            reception.gave_up = False
            self.want_keyframe()
        if self.keyframes.due(now):
            due += rtcp.picture_loss(sender, reception.ssrc)
        return due

    def close(self) -> None:
        """Let go of everyone who receives this track."""
        for outlet in list(self.outlets):
            outlet.detach()

    def _begin(self, ssrc: int, payload_type: int) -> Reception:
        first = self.reception is None
        self.reception = Reception(ssrc, self.codecs[payload_type].clock_rate, asks=self._asks)
        self.history = History(HISTORY_SLOTS[self.kind])
        for outlet in self.outlets:
            outlet.restart()
        if first:
            self._on_flow(self.kind)
        return self.reception

    def _is_keyframe(self, packet: bytearray, start: int, size: int) -> bool:
        codec = self.codecs.get(packet[1] & 0x7F)
        return codec is not None and codec.name in BEGINS_KEYFRAME and BEGINS_KEYFRAME[codec.name](packet, start, size)
