"""RTP headers, extensions and retransmissions against aiortc's own reader and writer."""

from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, wrap_rtx
from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc.rtp import extension, extension_block, payload_start, unwrap_rtx

EXTENSIONS = HeaderExtensionsMap()
EXTENSIONS.configure(
    RTCRtpParameters(
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid"),
            RTCRtpHeaderExtensionParameters(id=3, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
        ]
    )
)


def packet(payload: bytes, *, mid: str = "video", csrc: int = 0) -> bytes:
    """A packet with two header extensions as aiortc writes it."""
    made = RtpPacket(payload_type=96, marker=1, sequence_number=65535, timestamp=123456, ssrc=1234, payload=payload)
    made.csrc = list(range(csrc))
    made.extensions.abs_send_time = 0xABCDEF
    made.extensions.mid = mid
    return bytes(made.serialize(EXTENSIONS))


@given(payload=st.binary(min_size=1, max_size=1200), csrc=st.integers(0, 15), mid=st.from_regex(r"\A[a-z0-9]{1,16}\Z"))
def test_payload_and_extensions_are_found(payload: bytes, csrc: int, mid: str) -> None:
    """The payload's place and an extension's value are found behind any number of CSRCs."""
    whole = packet(payload, mid=mid, csrc=csrc)
    start = payload_start(whole, len(whole))
    assert whole[start:] == payload
    at, length = extension(whole, start, 1)
    assert whole[at : at + length] == mid.encode()
    at, length = extension(whole, start, 3)
    assert whole[at : at + length] == b"\xab\xcd\xef"
    assert extension(whole, start, 5) == (0, 0)


@given(noise=st.binary(max_size=80), wanted=st.integers(1, 14))
def test_noise_stays_within_its_bounds(noise: bytes, wanted: int) -> None:
    """Random bytes never give a place outside the packet."""
    start = payload_start(noise, len(noise))
    assert 0 <= start <= len(noise)
    if start:
        at, length = extension(noise, start, wanted)
        assert at + length <= start


@given(st.binary(min_size=1, max_size=1100))
def test_an_unwrapped_retransmission_is_the_original(payload: bytes) -> None:
    """What a retransmission carries is restored under its original header, extensions and all."""
    whole = packet(payload)
    original = RtpPacket.parse(whole, EXTENSIONS)
    wrapped = wrap_rtx(original, payload_type=97, sequence_number=7, ssrc=99)
    buffer = bytearray(wrapped.serialize(EXTENSIONS))
    start = payload_start(buffer, len(buffer))
    size = unwrap_rtx(buffer, len(buffer), start, payload_type=96, ssrc=1234)
    assert buffer[:size] == whole


def test_an_empty_retransmission_holds_nothing() -> None:
    """Retransmission packets that only probe the network are recognised."""
    buffer = bytearray(RtpPacket(payload_type=97, ssrc=9, payload=b"\x00\x07").serialize())
    assert unwrap_rtx(buffer, len(buffer), 12, payload_type=96, ssrc=1) == 0
    padded = bytearray(b"\xa0" + bytes(buffer[1:12]) + bytes(199) + bytes([200]))
    assert unwrap_rtx(padded, len(padded), 12, payload_type=96, ssrc=1) == 0


@given(identity=st.integers(1, 14), value=st.binary(min_size=1, max_size=16))
def test_a_written_extension_is_read_back(identity: int, value: bytes) -> None:
    """A block we write holds its value under its id."""
    whole = b"\x90" + bytes(11) + extension_block(identity, value)
    at, length = extension(whole, payload_start(whole, len(whole)), identity)
    assert whole[at : at + length] == value
