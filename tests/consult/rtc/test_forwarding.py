"""New headers for old payloads: what a receiver of a forwarded stream finds in each packet."""

from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import (
    HeaderExtensionsMap,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    RtpPacket,
    wrap_rtx,
)

from services.consult.rtc import rtcp
from services.consult.rtc.answer import Ssrcs
from services.consult.rtc.outlet import RESENDS_PER_TURN, Outlet
from services.consult.rtc.rtp import payload_start
from services.consult.rtc.sdp import MID, Codec, Section
from services.consult.rtc.srtp import PacketBuffer
from services.consult.rtc.track import Track

KEYFRAME, LATER = b"\x10\x10\x02\x00", b"\x10\x11\x02\x00"
EXTENSIONS = HeaderExtensionsMap()
EXTENSIONS.configure(RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(id=9, uri=MID)]))


class Wire:
    """A way to a participant that keeps what is sent."""

    def __init__(self) -> None:
        self.outbox = PacketBuffer()
        self.round_trip = 0.1
        self.media: list[RtpPacket] = []
        self.control: list[bytes] = []

    def send_media(self, size: int) -> None:
        self.media.append(RtpPacket.parse(bytes(self.outbox.view[:size]), EXTENSIONS))

    def send_control(self, packet: bytes) -> None:
        self.control.append(packet)


def section(payload_type: int, *, rtx: int | None, mid: str = "v", extensions: dict[str, int] | None = None) -> Section:
    """A VP8 m-line."""
    codec = Codec(payload_type, "VP8", "VP8/90000", 90000, feedback=("nack", "nack pli"), rtx=rtx)
    return Section("video", mid, "", "", sends=True, receives=True, codecs=[codec], extensions=extensions or {})


def track() -> Track:
    """A participant's video with payload type 97 and retransmissions under 98."""
    return Track(section(97, rtx=98), on_flow=lambda kind: None, on_loss=lambda track: None)


def outlet(wire: Wire, *, rtx: int | None = 121) -> Outlet:
    """What another participant receives: payload type 120, MID "theirs" under id 9."""
    return Outlet(section(120, rtx=rtx, mid="theirs", extensions={MID: 9}), wire, Ssrcs(5000, 6000), "cname")


def packet(
    sequence: int, payload: bytes = LATER, *, timestamp: int = 1000, ssrc: int = 77, marker: int = 0
) -> RtpPacket:
    """A packet of the publisher."""
    made = RtpPacket(payload_type=97, marker=marker, sequence_number=sequence & 0xFFFF, timestamp=timestamp, ssrc=ssrc)
    made.payload = payload
    return made


def give(to: Track, given: RtpPacket, now: float = 0.0) -> None:
    """Let a packet arrive."""
    inbox, whole = PacketBuffer(), given.serialize()
    inbox.view[: len(whole)] = whole
    to.received(inbox, len(whole), payload_start(whole, len(whole)), now)


def test_each_packet_gets_the_receivers_header() -> None:
    """SSRC, payload type and MID are the receiver's own; marker, payload and timing are the sender's."""
    wire, source = Wire(), track()
    outlet(wire).attach(source)
    give(source, packet(10, KEYFRAME, marker=1))
    give(source, packet(11, b"\x00abc", timestamp=4000))
    first, second = wire.media
    assert (first.ssrc, first.payload_type, first.marker, first.payload) == (5000, 120, 1, KEYFRAME)
    assert first.extensions.mid == "theirs"
    assert (second.sequence_number - first.sequence_number, second.timestamp - first.timestamp) == (1, 3000)


def test_a_stream_begins_far_from_the_wrap() -> None:
    """Whatever number the publisher has reached, a receiver's stream starts in the lower half."""
    wire, source = Wire(), track()
    outlet(wire).attach(source)
    give(source, packet(65535, KEYFRAME))
    give(source, packet(0))
    first, second = wire.media
    assert first.sequence_number < 0x7FFF
    assert second.sequence_number == first.sequence_number + 1


def test_a_video_begins_with_a_keyframe() -> None:
    """Nothing is forwarded before a keyframe, which is asked for at once and again until it comes."""
    wire, source = Wire(), track()
    outlet(wire).attach(source)
    give(source, packet(10))
    asked = [source.feedback(1, now, 0.1) for now in (0.0, 0.1, 0.6)]
    assert [bool(request) for request in asked] == [True, False, True]
    (request,) = RtcpPacket.parse(asked[0])
    assert isinstance(request, RtcpPsfbPacket)
    assert request.media_ssrc == 77
    assert wire.media == []
    give(source, packet(11, KEYFRAME))
    assert len(wire.media) == 1
    assert source.feedback(1, 2.0, 0.1) == b""


def test_numbers_run_on_when_the_source_changes() -> None:
    """Another publisher's stream continues the receiver's numbering and time as if it were the old one."""
    wire, before, after = Wire(), track(), track()
    ours = outlet(wire)
    ours.attach(before)
    give(before, packet(65535, KEYFRAME, timestamp=0xFFFFFFF0), now=1.0)
    before.close()
    ours.attach(after)
    give(after, packet(500, KEYFRAME, timestamp=7, ssrc=88), now=2.0)
    first, second = wire.media
    assert second.sequence_number == first.sequence_number + 1 & 0xFFFF
    assert second.timestamp == first.timestamp + 90000 & 0xFFFFFFFF


def test_a_lost_packet_is_sent_again_as_retransmission() -> None:
    """What the receiver misses comes under the RTX stream with the number it was missed under."""
    wire, source = Wire(), track()
    ours = outlet(wire)
    ours.attach(source)
    give(source, packet(10, KEYFRAME))
    give(source, packet(11, b"\x00abc", marker=1))
    ours.resend([wire.media[1].sequence_number, 4711])
    (again,) = wire.media[2:]
    assert (again.ssrc, again.payload_type, again.marker) == (6000, 121, 1)
    assert again.payload == wire.media[1].sequence_number.to_bytes(2, "big") + b"\x00abc"
    assert again.extensions.mid == "theirs"


def test_without_rtx_the_same_packet_is_sent_again() -> None:
    """A receiver that knows no retransmission format gets the packet itself once more."""
    wire, source = Wire(), track()
    ours = outlet(wire, rtx=None)
    ours.attach(source)
    give(source, packet(10, KEYFRAME))
    ours.resend([wire.media[0].sequence_number])
    assert wire.media[0].serialize(EXTENSIONS) == wire.media[1].serialize(EXTENSIONS)


def test_a_flood_of_requests_is_answered_within_its_budget() -> None:
    """However often a receiver asks, only so much is sent again until the next turn."""
    wire, source = Wire(), track()
    ours = outlet(wire)
    ours.attach(source)
    give(source, packet(10, KEYFRAME))
    for _ in range(10):
        ours.resend([wire.media[0].sequence_number] * 50)
    assert len(wire.media) == 1 + RESENDS_PER_TURN


def test_a_recovered_packet_goes_on_under_its_own_number() -> None:
    """A hole in the sender's stream is asked for, filled by its retransmission, forwarded and kept for others."""
    wire, source = Wire(), track()
    ours = outlet(wire)
    ours.attach(source)
    give(source, packet(10, KEYFRAME))
    give(source, packet(12, b"\x00late"))
    (request,) = RtcpPacket.parse(source.feedback(1, 0.0, 0.1))
    assert isinstance(request, RtcpRtpfbPacket)
    assert request.lost == [11]
    missing = packet(11, b"\x00lost", timestamp=2000, marker=1)
    retransmission = wrap_rtx(missing, payload_type=98, sequence_number=3, ssrc=99)
    give(source, retransmission)
    give(source, retransmission)
    first, _, recovered = wire.media
    assert recovered.sequence_number == first.sequence_number + 1
    assert (recovered.payload, recovered.marker, recovered.timestamp - first.timestamp) == (b"\x00lost", 1, 1000)
    ours.resend([recovered.sequence_number])
    assert wire.media[3].payload[2:] == b"\x00lost"


def test_what_came_before_the_keyframe_stays_out() -> None:
    """A late packet of a frame the receiver never began is not forwarded."""
    wire, source = Wire(), track()
    outlet(wire).attach(source)
    give(source, packet(10))
    give(source, packet(12, KEYFRAME))
    give(source, packet(11))
    assert len(wire.media) == 1


def test_the_senders_clock_is_carried_on() -> None:
    """A sender report keeps its wall clock, and its RTP time fits the packets; the answer gives the round trip."""
    wire, source = Wire(), track()
    ours = outlet(wire)
    ours.attach(source)
    give(source, packet(10, KEYFRAME, timestamp=1000))
    source.sender_reported(rtcp.SenderTimes(77, 5 << 32, 1900), 10.0)
    report = RtcpPacket.parse(wire.control[0])[0]
    assert isinstance(report, RtcpSrPacket)
    assert (report.ssrc, report.sender_info.ntp_timestamp, report.sender_info.packet_count) == (5000, 5 << 32, 1)
    assert report.sender_info.rtp_timestamp - wire.media[0].timestamp == 900
    ours.reported(rtcp.ReportBlock(5000, 0, 0, 0, 0, 5 << 16, 0), 10.5)
    assert 0.1 < wire.round_trip < 0.5
