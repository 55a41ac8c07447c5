"""Recognising keyframes as real encoders write them, and asking for them no more than needed."""

from fractions import Fraction

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc.keyframes import THROTTLE, KeyframeRequests, h264_keyframe, vp8_keyframe
from tests.consult.rtc.support import draw


@pytest.mark.parametrize(("encoder", "recognised"), [(Vp8Encoder, vp8_keyframe), (H264Encoder, h264_keyframe)])
def test_keyframes_of_a_real_encoder_are_recognised(encoder: type, recognised: object) -> None:
    """The first packet of a keyframe is one, no packet of the frames between is."""
    assert callable(recognised)
    made = encoder()
    found = []
    for number in range(12):
        frame = draw(number)
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90000)
        payloads, _ = made.encode(frame, number == 7)
        found.append([recognised(payload, 0, len(payload)) for payload in payloads])
    assert [any(packets) for packets in found] == [number in (0, 7) for number in range(12)]
    assert found[0][0]
    assert found[7][0]


@pytest.mark.parametrize("prefix", [b"\x10", b"\x90\x80\x05", b"\x90\x80\x80\x05", b"\x90\xf0\x81\x05\x07\x21"])
def test_a_keyframe_is_found_behind_any_descriptor(prefix: bytes) -> None:
    """Picture ids of either length, layer ids and their absence do not hide the frame's first byte."""
    assert vp8_keyframe(prefix + b"\x10\x02\x00", 0, len(prefix) + 3)
    assert not vp8_keyframe(prefix + b"\x11\x02\x00", 0, len(prefix) + 3)


def test_later_packets_and_partitions_begin_nothing() -> None:
    """Only the start of the first partition can begin a keyframe."""
    assert not vp8_keyframe(b"\x00\x10", 0, 2)
    assert not vp8_keyframe(b"\x11\x10", 0, 2)


@given(st.binary(max_size=12))
def test_truncated_payloads_are_no_reason_to_fail(noise: bytes) -> None:
    """Any bytes get a yes or no."""
    assert vp8_keyframe(noise, 0, len(noise)) in (True, False)
    assert h264_keyframe(noise, 0, len(noise)) in (True, False)


def test_requests_repeat_until_a_keyframe_is_seen() -> None:
    """A wanted keyframe is asked for at once, then at most every half second, and no more once it is seen."""
    requests = KeyframeRequests()
    assert not requests.due(0.0)
    requests.want()
    assert requests.due(0.0)
    assert not requests.due(THROTTLE - 0.01)
    assert requests.due(THROTTLE)
    requests.seen()
    assert not requests.due(10.0)


def test_many_wishes_are_one_request() -> None:
    """However many participants ask, the sender hears it once per interval, and a wish in between is not forgotten."""
    requests = KeyframeRequests()
    requests.want()
    assert requests.due(1.0)
    requests.seen()
    for _ in range(5):
        requests.want()
        assert not requests.due(1.1)
    assert requests.due(1.0 + THROTTLE)
