"""One participant's connection to the node: its addresses, its keys, what it publishes and what it receives."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from services.consult.rtc import rtcp
from services.consult.rtc.answer import Ssrcs, feedback_of
from services.consult.rtc.dtls import Certificate, DtlsServer, MediaKeys
from services.consult.rtc.feedback import BitrateEstimate, TransportFeedback
from services.consult.rtc.ice_lite import Address, Check, Credentials, role_conflict, success
from services.consult.rtc.outlet import RESENDS_PER_TURN, Outlet
from services.consult.rtc.rtp import extension, payload_start
from services.consult.rtc.sdp import MID, TRANSPORT_WIDE, Offer
from services.consult.rtc.track import Track
from services.consult.rtc.udp_mux import UdpMux

SSRC = struct.Struct("!I")
MOST_ADDRESSES = 8
MOST_STREAMS = 16
FEEDBACK_EVERY = 0.05
REPORT_EVERY = 1.0
SILENT_AFTER = 7.0
"""Seconds after which an address that sends nothing gives way to one that sends checks."""
FIRST_ROUND_TRIP = 0.1


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what happens on a connection."""

    connected: Callable[[], None]
    flows: Callable[[str], None]
    lost: Callable[[Track], None]


class Peer:
    """A participant's connection. Times are seconds of a monotonic clock."""

    def __init__(
        self,
        offer: Offer,
        ssrcs: dict[str, Ssrcs],
        *,
        cname: str,
        mux: UdpMux,
        certificate: Certificate,
        watch: Watch,
        now: float,
    ) -> None:
        self.credentials = Credentials.fresh()
        self.addresses: list[Address] = []
        self.address: Address | None = None
        self.outbox = mux.outbox
        self.round_trip = FIRST_ROUND_TRIP
        self.heard_at = now
        self.refused = 0
        self._theirs = offer.fragment
        self._mux = mux
        self._watch = watch
        self._keys: MediaKeys | None = None
        self._dtls = DtlsServer(certificate, offer.fingerprints, self._send_handshake)
        served = [section for section in offer.sections if section.served]
        self.tracks = [Track(s, on_flow=watch.flows, on_loss=self._lost) for s in served if s.sends]
        self.outlets = [Outlet(s, self, ssrcs[s.mid], cname) for s in served if s.receives]
        self._outlet_of = {outlet.ssrc: outlet for outlet in self.outlets}
        self._track_of: dict[int, Track | None] = {}
        for section in served:
            self._track_of.update((ssrc, self._by_mid(section.mid)) for ssrc in section.ssrcs[:2])
        self._own_ssrc = next(iter(self._outlet_of), 1)
        self._mid_id = next((s.extensions[MID] for s in served if MID in s.extensions), 0)
        self._sequence_id = next((s.extensions[TRANSPORT_WIDE] for s in served if s.transport_wide), 0)
        self._transport = TransportFeedback()
        limits = any("goog-remb" in feedback_of(s, codec) for s in served for codec in s.codecs)
        self._estimate = BitrateEstimate() if limits and not self._sequence_id else None
        self._feedback_at = self._report_at = now

    @property
    def connected(self) -> bool:
        """Whether media can be sent and received."""
        return self._keys is not None

    def check_received(self, check: Check, address: Address, now: float) -> bool:
        """Answer a connectivity check; whether the sender proved to be this participant."""
        if check.fragments[1] != self._theirs or not check.verified(self.credentials.password):
            self.refused += 1
            return False
        if check.claims_controlled:
            self._mux.send(role_conflict(check, self.credentials.password), address)
            return True
        # An address nobody uses any more must not hold the media back.
        silent = now - self.heard_at > SILENT_AFTER
        if self.address is None or check.nominates or silent:
            self.address = address
        if address == self.address:
            self.heard_at = now
        self._mux.send(success(check, address, self.credentials.password), address)
        return True

    def dtls_received(self, packet: bytes, address: Address, now: float) -> None:
        """Take part in the handshake. Raises dtls.Refused and dtls.Closed."""
        if self._keys is None:
            self.address = address
        keys = self._dtls.receive(packet)
        if keys:
            self._keys = keys
            self.heard_at = now
            self._watch.connected()

    def media_received(self, size: int, address: Address, now: float) -> None:
        """Take a protected RTP or RTCP packet from the inbox."""
        keys, inbox = self._keys, self._mux.inbox
        packet = inbox.bytes
        if keys is None or size < 12:
            return
        if 192 <= packet[1] <= 223:
            self._control_received(keys, size, address, now)
            return
        (ssrc,) = SSRC.unpack_from(packet, 8)
        known = self._track_of
        # libsrtp remembers every stream it has decrypted, so their number is bounded before.
        if ssrc not in known and len(known) >= MOST_STREAMS:
            self.refused += 1
            return
        size = keys.inbound.unprotect(inbox, size)
        start = payload_start(packet, size)
        if not start:
            self.refused += 1
            return
        self._heard(address, now)
        if self._sequence_id:
            at, length = extension(packet, start, self._sequence_id)
            if length == 2:
                self._transport.arrived(packet[at] << 8 | packet[at + 1], now)
        elif self._estimate:
            self._estimate.arrived(size)
        if ssrc not in known:
            known[ssrc] = self._which_track(packet, start)
        track = known[ssrc]
        if track:
            track.received(inbox, size, start, now)

    def turn(self, now: float) -> None:
        """Send what is due by time: handshake flights, requests, feedback, reports. Raises dtls.Refused."""
        if self._keys is None:
            waits = self._dtls.timeout() if self.address else None
            if waits is not None and waits <= 0:
                self._dtls.resend()
            return
        for outlet in self.outlets:
            outlet.resends_left = RESENDS_PER_TURN
        for track in self.tracks:
            self.ask(track, now)
        if now - self._feedback_at >= FEEDBACK_EVERY:
            self._feedback_at = now
            self._send_transport_feedback()
        if now - self._report_at >= REPORT_EVERY:
            self._send_reports(now)

    def ask(self, track: Track, now: float) -> None:
        """Ask the participant for what its track misses."""
        due = track.feedback(self._own_ssrc, now, self.round_trip)
        if due:
            self.send_control(due)

    def send_media(self, size: int) -> None:
        """Protect and send the RTP packet in the outbox."""
        if self._keys is None or self.address is None:
            return
        size = self._keys.outbound.protect(self.outbox, size)
        if size > 0:
            self._mux.send_outbox(size, self.address)

    def send_control(self, packet: bytes) -> None:
        """Protect and send an RTCP packet."""
        if self._keys is None or self.address is None:
            return
        self.outbox.view[: len(packet)] = packet
        size = self._keys.outbound.protect_rtcp(self.outbox, len(packet))
        if size > 0:
            self._mux.send_outbox(size, self.address)

    def close(self) -> None:
        """Say goodbye, and let go of everyone this connection feeds or is fed by.

        Nothing points back to it afterwards, so its memory is free at once: the collector runs rarely here.
        """
        self._dtls.close()
        for track in self.tracks:
            track.close()
        for outlet in self.outlets:
            outlet.detach()
        for held in (self.tracks, self.outlets, self._track_of, self._outlet_of):
            held.clear()

    def _heard(self, address: Address, now: float) -> None:
        """The participant has spoken under its keys: answer where it speaks from."""
        self.heard_at = now
        if address != self.address:
            self.address = address

    def _control_received(self, keys: MediaKeys, size: int, address: Address, now: float) -> None:
        size = keys.inbound.unprotect_rtcp(self._mux.inbox, size)
        if size < 0:
            self.refused += 1
            return
        self._heard(address, now)
        for block in rtcp.blocks(self._mux.inbox.bytes, size):
            self._block_received(block, now)

    def _block_received(self, block: rtcp.Block, now: float) -> None:
        if block.kind == rtcp.SENDER_REPORT:
            times = rtcp.sender_times(block)
            track = self._track_of.get(times.ssrc) if times else None
            if times and track:
                track.sender_reported(times, now)
        if block.kind in (rtcp.SENDER_REPORT, rtcp.RECEIVER_REPORT):
            for report in rtcp.report_blocks(block):
                if report.ssrc in self._outlet_of:
                    self._outlet_of[report.ssrc].reported(report, now)
        elif block.kind == rtcp.TRANSPORT_FEEDBACK and block.count == rtcp.NACK:
            outlet = self._outlet_of.get(rtcp.media_ssrc(block))
            if outlet:
                outlet.resend(rtcp.lost_sequences(block))
        elif block.kind == rtcp.PAYLOAD_FEEDBACK and block.count == rtcp.PICTURE_LOSS:
            self._keyframe_wanted(rtcp.media_ssrc(block))
        elif block.kind == rtcp.PAYLOAD_FEEDBACK and block.count == rtcp.FULL_INTRA:
            for target in rtcp.full_intra_targets(block):
                self._keyframe_wanted(target)

    def _keyframe_wanted(self, ssrc: int) -> None:
        outlet = self._outlet_of.get(ssrc)
        if outlet and outlet.source:
            outlet.source.want_keyframe()

    def _by_mid(self, mid: str) -> Track | None:
        return next((track for track in self.tracks if track.mid == mid), None)

    def _which_track(self, packet: bytearray, start: int) -> Track | None:
        """The track of a stream the offer did not number: by MID, else by payload type. RFC 9143 section 9.2"""
        at, length = extension(packet, start, self._mid_id)
        if length:
            return self._by_mid(packet[at : at + length].decode("ascii", "replace"))
        return next((track for track in self.tracks if packet[1] & 0x7F in track.payload_types), None)

    def _lost(self, track: Track) -> None:
        self._watch.lost(track)

    def _send_handshake(self, datagram: bytes) -> None:
        if self.address:
            self._mux.send(datagram, self.address)

    def _send_transport_feedback(self) -> None:
        if self._transport.pending:
            media = next((t.reception.ssrc for t in self.tracks if t.reception), 0)
            for packet in self._transport.packets(self._own_ssrc, media):
                self.send_control(packet)

    def _send_reports(self, now: float) -> None:
        seconds, self._report_at = now - self._report_at, now
        flowing = [track.reception for track in self.tracks if track.reception]
        if not flowing:
            return
        reports = [reception.report(now) for reception in flowing]
        packet = rtcp.receiver_report(self._own_ssrc, reports)
        if self._estimate:
            worst = max(report.fraction_lost for report in reports)
            bitrate = self._estimate.update(worst, seconds)
            packet += rtcp.remb(self._own_ssrc, bitrate, [reception.ssrc for reception in flowing])
        self.send_control(packet)
