"""Writing the node's answer to an offer: ICE-lite, one bundled connection, payload types and extension ids as offered.

https://www.rfc-editor.org/rfc/rfc8829#section-5.3
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.consult.rtc.ice_lite import Credentials
from services.consult.rtc.sdp import MID, PROFILE, TRANSPORT_WIDE, Codec, Offer, Section

FEEDBACK = ("nack", "nack pli", "ccm fir")
DIRECTION = {(True, True): "sendrecv", (True, False): "recvonly", (False, True): "sendonly"}
"""By what the participant does: (sends, receives)."""


@dataclass(frozen=True, slots=True)
class Transport:
    """How participants reach the node."""

    addresses: Sequence[str]
    port: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Ssrcs:
    """The node's own stream numbers on one m-line."""

    media: int
    rtx: int


def write_answer(
    offer: Offer,
    *,
    session: int,
    stream: str,
    credentials: Credentials,
    transport: Transport,
    ssrcs: Mapping[str, Ssrcs],
) -> str:
    """The answer's text. `ssrcs` gives, by mid, the streams the participant will receive."""
    mids = " ".join(section.mid for section in offer.sections if section.served)
    lines = [
        "v=0",
        f"o=- {session} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {mids}",
        "a=msid-semantic: WMS *",
    ]
    for section in offer.sections:
        if section.served:
            lines += _served(section, stream, ssrcs.get(section.mid), _connection(credentials, transport))
        else:
            lines += [
                f"m={section.kind} 0 {section.protocol} {section.formats}",
                "c=IN IP4 0.0.0.0",
                f"a=mid:{section.mid}",
                "a=inactive",
            ]
    return "\r\n".join(lines) + "\r\n"


def feedback_of(section: Section, codec: Codec) -> list[str]:
    """The feedback both sides use for a codec; transport-wide feedback excludes REMB."""
    agreed = [name for name in FEEDBACK if name in codec.feedback]
    if section.transport_wide:
        agreed.append("transport-cc")
    elif "goog-remb" in codec.feedback:
        agreed.append("goog-remb")
    return agreed


def _served(section: Section, stream: str, ssrcs: Ssrcs | None, connection: list[str]) -> list[str]:
    types = [t for codec in section.codecs for t in (codec.payload_type, codec.rtx) if t is not None]
    lines = [
        f"m={section.kind} 9 {PROFILE} {' '.join(map(str, types))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        f"a={DIRECTION[section.sends, section.receives]}",
        "a=rtcp-mux",
        *(["a=rtcp-rsize"] if section.reduced_size else []),
    ]
    if MID in section.extensions:
        lines.append(f"a=extmap:{section.extensions[MID]} {MID}")
    if section.transport_wide:
        lines.append(f"a=extmap:{section.extensions[TRANSPORT_WIDE]} {TRANSPORT_WIDE}")
    for codec in section.codecs:
        lines += _codec(section, codec)
    if ssrcs:
        lines += _streams(section, stream, ssrcs)
    return lines + connection


def _codec(section: Section, codec: Codec) -> list[str]:
    lines = [f"a=rtpmap:{codec.payload_type} {codec.spelling}"]
    lines += [f"a=rtcp-fb:{codec.payload_type} {name}" for name in feedback_of(section, codec)]
    if codec.parameters:
        lines.append(f"a=fmtp:{codec.payload_type} {codec.parameters}")
    if codec.rtx is not None:
        lines += [f"a=rtpmap:{codec.rtx} rtx/{codec.clock_rate}", f"a=fmtp:{codec.rtx} apt={codec.payload_type}"]
    return lines


def _streams(section: Section, stream: str, ssrcs: Ssrcs) -> list[str]:
    lines = [f"a=msid:{stream} {stream}-{section.mid}"]
    numbers = [ssrcs.media]
    if any(codec.rtx is not None for codec in section.codecs):
        numbers.append(ssrcs.rtx)
        lines.append(f"a=ssrc-group:FID {ssrcs.media} {ssrcs.rtx}")
    return lines + [f"a=ssrc:{number} cname:{stream}" for number in numbers]


def _connection(credentials: Credentials, transport: Transport) -> list[str]:
    lines = [
        f"a=ice-ufrag:{credentials.fragment}",
        f"a=ice-pwd:{credentials.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        "a=setup:passive",
    ]
    for index, address in enumerate(transport.addresses):
        priority = 126 << 24 | 65535 - index << 8 | 255
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {address} {transport.port} typ host")
    return [*lines, "a=end-of-candidates"]
