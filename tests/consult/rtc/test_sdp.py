"""Offers the node serves and refuses, and the answers it writes."""

import re

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc.answer import Ssrcs, Transport, write_answer
from services.consult.rtc.failures import OfferInvalid
from services.consult.rtc.ice_lite import Credentials
from services.consult.rtc.sdp import LARGEST_OFFER, MID, TRANSPORT_WIDE, read_offer

OFFER = """v=0
o=- 1328305438963893760 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9
c=IN IP4 0.0.0.0
a=ice-ufrag:ze6P
a=ice-pwd:WztbxAo18dBJT6Szwamcs1kh
a=fingerprint:sha-256 29:37:82:D0:66:45:07:F6:5F:8E:64:36:75:EB:F6:1D:92:09:46:05:4F:58:F1:EF:E3:6C:0B:5A:60:BE:51:51
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=ssrc:848999284 cname:one
m=video 9 UDP/TLS/RTP/SAVPF 45 102 103 108 109 96 97
c=IN IP4 0.0.0.0
a=ice-ufrag:ze6P
a=ice-pwd:WztbxAo18dBJT6Szwamcs1kh
a=fingerprint:sha-256 29:37:82:D0:66:45:07:F6:5F:8E:64:36:75:EB:F6:1D:92:09:46:05:4F:58:F1:EF:E3:6C:0B:5A:60:BE:51:51
a=setup:actpass
a=mid:1
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=sendrecv
a=rtcp-mux
a=rtpmap:45 AV1/90000
a=rtpmap:102 H264/90000
a=rtcp-fb:102 nack
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=rtpmap:108 H264/90000
a=rtcp-fb:108 nack
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=ssrc-group:FID 2114420492 503550853
a=ssrc:2114420492 cname:one
a=ssrc:503550853 cname:one
""".replace("\n", "\r\n")


def answered(offer: str) -> str:
    """The node's answer to an offer."""
    read = read_offer(offer)
    return write_answer(
        read,
        session=1,
        stream="stream",
        credentials=Credentials("fragment", "password"),
        transport=Transport(["192.0.2.1", "127.0.0.1"], 5000, "AB:CD"),
        ssrcs={section.mid: Ssrcs(10, 20) for section in read.sections},
    )


def test_an_offer_is_read() -> None:
    """Codecs come in the node's order of preference with the offer's payload types, extensions and streams."""
    offer = read_offer(OFFER)
    audio, video = offer.sections
    assert [(codec.name, codec.payload_type) for codec in audio.codecs] == [("OPUS", 111)]
    assert [(codec.name, codec.payload_type, codec.rtx) for codec in video.codecs] == [
        ("VP8", 96, 97),
        ("H264", 108, 109),
    ]
    assert video.extensions == {MID: 4, TRANSPORT_WIDE: 3}
    assert (audio.ssrcs, video.ssrcs) == ([848999284], [2114420492, 503550853])
    assert offer.fragment == "ze6P"
    assert offer.fingerprints[0][0] == "sha-256"


def test_the_answer_is_understood_by_an_independent_reader() -> None:
    """The answer is ICE-lite, passive, bundled, sends and receives, and keeps the offer's numbers."""
    answer = SessionDescription.parse(answered(OFFER))
    audio, video = answer.media
    assert answer.group[0].items == ["0", "1"]
    for media in (audio, video):
        assert media.direction == "sendrecv"
        assert media.rtcp_mux
        assert media.ice is not None
        assert media.ice.iceLite
        assert media.ice.usernameFragment == "fragment"
        assert media.dtls is not None
        assert media.dtls.role == "server"
        assert [(c.ip, c.port, c.type) for c in media.ice_candidates] == [
            ("192.0.2.1", 5000, "host"),
            ("127.0.0.1", 5000, "host"),
        ]
    assert video.fmt == [96, 97, 108, 109]
    assert [codec.name for codec in video.rtp.codecs] == ["VP8", "rtx", "H264", "rtx"]
    assert {extension.id: extension.uri for extension in video.rtp.headerExtensions} == {4: MID, 3: TRANSPORT_WIDE}
    assert [str(group) for group in video.ssrc_group] == ["FID 10 20"]
    assert ["goog-remb" in str(feedback) for feedback in video.rtp.codecs[0].rtcpFeedback].count(True) == 0


def test_remb_is_the_second_choice() -> None:
    """A sender without transport-wide feedback is answered with REMB."""
    without = OFFER.replace("a=rtcp-fb:96 transport-cc\r\n", "").replace(f"a=extmap:3 {TRANSPORT_WIDE}\r\n", "")
    assert "a=rtcp-fb:96 goog-remb" in answered(without)
    assert TRANSPORT_WIDE not in answered(without)


@pytest.mark.parametrize(
    ("offered", "expected"), [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("sendrecv", "sendrecv")]
)
def test_directions_are_mirrored(offered: str, expected: str) -> None:
    """A participant without a camera may only watch, and one may only be watched."""
    head, video = OFFER.split("m=video")
    assert f"a={expected}" in answered(head + "m=video" + video.replace("sendrecv", offered)).split("m=video")[1]


def test_what_is_not_served_is_declined_in_its_place() -> None:
    """A data channel gets port zero at its own place, and stays outside the bundle."""
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=sctp-port:5000\r\n"
    lines = answered(OFFER + data).split("\r\n")
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel" in lines
    assert "a=group:BUNDLE 0 1" in lines


REFUSED = {
    "nothing": "",
    "noise": "hello",
    "oversize": OFFER + "a=x\r\n" * (LARGEST_OFFER // 5),
    "no media": OFFER.split("m=audio")[0],
    "no bundle": OFFER.replace("a=group:BUNDLE 0 1\r\n", ""),
    "outside bundle": OFFER.replace("BUNDLE 0 1", "BUNDLE 0"),
    "no fingerprint": re.sub("a=fingerprint.*\r\n", "", OFFER),
    "weak fingerprint": OFFER.replace("sha-256", "md5"),
    "no credentials": re.sub("a=ice-ufrag.*\r\n", "", OFFER),
    "passive": OFFER.replace("actpass", "passive"),
    "no mux": OFFER.replace("a=rtcp-mux\r\n", ""),
    "no codec": OFFER.replace("VP8", "VP9").replace("H264", "AV1"),
    "no mid": OFFER.replace("a=mid:1\r\n", ""),
    "same mid": OFFER.replace("a=mid:1", "a=mid:0"),
    "inactive": OFFER.replace("sendrecv", "inactive"),
    "only data": OFFER.split("m=audio")[0] + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n",
    "too many": OFFER + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\n" * 8,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_served_is_refused_in_words(reason: str) -> None:
    """Every offer the node cannot serve is refused with a sentence that says why."""
    with pytest.raises(OfferInvalid) as refused:
        read_offer(REFUSED[reason])
    assert refused.value.diagnostics


@given(st.data())
def test_mangled_offers_are_answered_or_refused(data: st.DataObject) -> None:
    """Whatever lines are lost, doubled or replaced, there is an answer others can read or a clear refusal."""
    lines = OFFER.split("\r\n")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        half = lines[at][: len(lines[at]) // 2]
        other = data.draw(st.text(max_size=20))
        lines[at : at + 1] = data.draw(st.sampled_from([[], [lines[at]] * 2, [half], [other], [half + other]]))
    try:
        answer = answered("\r\n".join(lines))
    except OfferInvalid:
        return
    assert answer.startswith("v=0\r\n")
    assert answer.count("m=") >= 1
