"""Reading a participant's offer: what it sends, what it can receive, and how to reach it (RFC 8866, RFC 8829).

https://www.rfc-editor.org/rfc/rfc8829
"""

import re
from dataclasses import dataclass, field

from services.consult.rtc.failures import OfferInvalid

LARGEST_OFFER = 64 * 1024
MOST_SECTIONS = 8
KINDS = ("audio", "video")
PROFILE = "UDP/TLS/RTP/SAVPF"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ONE_BYTE_IDS = range(1, 15)
FORWARDED = {"audio": ("OPUS",), "video": ("VP8", "H264")}
"""Codecs in the order the node prefers them."""

TOKEN = re.compile(r"[\w.+/=-]{1,256}")
FINGERPRINT = re.compile(r"([\w-]{1,16}) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,63})")


@dataclass(slots=True)
class Codec:
    """One payload format of the offer."""

    payload_type: int
    name: str
    """Upper case."""
    spelling: str
    """The rtpmap value as offered."""
    clock_rate: int
    parameters: str = ""
    feedback: tuple[str, ...] = ()
    rtx: int | None = None
    """The payload type of its retransmissions."""


@dataclass(slots=True)
class Section:
    """One m-line of the offer. Directions are the participant's."""

    kind: str
    mid: str
    protocol: str
    formats: str
    sends: bool
    receives: bool
    served: bool = False
    """Whether the node can take part in it."""
    codecs: list[Codec] = field(default_factory=list)
    extensions: dict[str, int] = field(default_factory=dict)
    ssrcs: list[int] = field(default_factory=list)
    reduced_size: bool = False

    @property
    def transport_wide(self) -> bool:
        """Whether the sender adapts to transport-wide feedback."""
        return TRANSPORT_WIDE in self.extensions and any("transport-cc" in codec.feedback for codec in self.codecs)


@dataclass(slots=True)
class Offer:
    """What a participant proposes, checked to be something the node can serve."""

    fragment: str
    fingerprints: list[tuple[str, str]]
    sections: list[Section]


def read_offer(sdp: str) -> Offer:
    """The offer in a session description. Raises OfferInvalid saying what cannot be served."""
    if len(sdp) > LARGEST_OFFER:
        raise OfferInvalid(f"the description is longer than {LARGEST_OFFER} characters")
    session, media = _split(sdp)
    if not 1 <= len(media) <= MOST_SECTIONS:
        raise OfferInvalid(f"the description needs between 1 and {MOST_SECTIONS} media sections")
    sections = [_section(lines) for lines in media]
    _choose_served(sections, _bundled(session), media)
    served = [lines for lines, section in zip(media, sections, strict=True) if section.served]
    everywhere = session + [line for lines in served for line in lines]
    return Offer(_fragment(everywhere), _fingerprints(session + served[0]), sections)


def _split(sdp: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    media: list[list[str]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            media.append([])
        (media[-1] if media else session).append(line.strip())
    if not session or session[0] != "v=0":
        raise OfferInvalid("this is no session description: it must begin with v=0")
    return session, media


def _attributes(lines: list[str], name: str) -> list[str]:
    prefix = f"a={name}:"
    return [line[len(prefix) :] for line in lines if line.startswith(prefix)]


def _section(lines: list[str]) -> Section:
    words = lines[0][2:].split()
    if len(words) < 4:
        raise OfferInvalid("a media line is incomplete")
    mid = (_attributes(lines, "mid") or [""])[0]
    if not TOKEN.fullmatch(mid) or len(mid) > 16:
        raise OfferInvalid("every media section needs a mid of at most 16 characters")
    formats = words[3:]
    if not all(TOKEN.fullmatch(word) for word in words):
        raise OfferInvalid("a media line names formats that cannot be read")
    section = Section(words[0], mid, words[2], " ".join(formats), *_direction(lines))
    usable = words[0] in KINDS and words[2] == PROFILE and (words[1] != "0" or "a=bundle-only" in lines)
    section.served = usable and (section.sends or section.receives)
    if section.served:
        _fill(section, lines, formats)
    return section


def _direction(lines: list[str]) -> tuple[bool, bool]:
    if "a=inactive" in lines:
        return False, False
    return "a=recvonly" not in lines, "a=sendonly" not in lines


def _fill(section: Section, lines: list[str], formats: list[str]) -> None:
    section.codecs = _codecs(section.kind, lines, formats)
    section.extensions = _extensions(lines)
    section.reduced_size = "a=rtcp-rsize" in lines
    for value in _attributes(lines, "ssrc"):
        number = value.split(" ")[0]
        if number.isdecimal() and int(number) < 1 << 32 and int(number) not in section.ssrcs:
            section.ssrcs.append(int(number))


def _codecs(kind: str, lines: list[str], formats: list[str]) -> list[Codec]:
    """The formats the node forwards, one of each, in its order of preference."""
    parameters = _by_format(lines, "fmtp")
    feedback = _by_format(lines, "rtcp-fb")
    offered: dict[str, Codec] = {}
    for number, values in _by_format(lines, "rtpmap").items():
        if number not in formats or not number.isdecimal() or not 0 <= int(number) < 128:
            continue
        name, _, rest = values[0].partition("/")
        rate = rest.partition("/")[0]
        if rate.isdecimal():
            heard = tuple(feedback.get(number, []) + feedback.get("*", []))
            fmtp = (parameters.get(number) or [""])[0]
            offered[number] = Codec(int(number), name.upper(), values[0], int(rate), fmtp, heard)
    for codec in offered.values():
        primary = re.match(r"apt=(\d+)", codec.parameters) if codec.name == "RTX" else None
        if primary and primary[1] in offered:
            offered[primary[1]].rtx = codec.payload_type
    chosen = (_best(name, list(offered.values())) for name in FORWARDED[kind])
    return [codec for codec in chosen if codec]


def _best(name: str, offered: list[Codec]) -> Codec | None:
    """The first codec of that name; of H264 the constrained baseline profile in packetization mode 1."""
    named = [codec for codec in offered if codec.name == name]
    if name == "H264":
        named = [codec for codec in named if "packetization-mode=1" in codec.parameters]
        named.sort(key=lambda codec: "profile-level-id=42e0" not in codec.parameters.lower())
    return named[0] if named else None


def _by_format(lines: list[str], name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in _attributes(lines, name):
        number, _, rest = value.partition(" ")
        found.setdefault(number, []).append(rest.strip())
    return found


def _extensions(lines: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in _attributes(lines, "extmap"):
        words = value.split()
        number = words[0].partition("/")[0] if words else ""
        if len(words) >= 2 and number.isdecimal() and int(number) in ONE_BYTE_IDS and words[1] in (MID, TRANSPORT_WIDE):
            found[words[1]] = int(number)
    return found


def _bundled(session: list[str]) -> set[str]:
    for value in _attributes(session, "group"):
        words = value.split()
        if words[:1] == ["BUNDLE"]:
            return set(words[1:])
    raise OfferInvalid("the description has no BUNDLE group; all media must share one connection")


def _choose_served(sections: list[Section], bundled: set[str], media: list[list[str]]) -> None:
    if len({section.mid for section in sections}) != len(sections):
        raise OfferInvalid("two media sections have the same mid")
    for section, lines in zip(sections, media, strict=True):
        if section.served and section.mid not in bundled:
            raise OfferInvalid("a media section is outside the BUNDLE group")
        if section.served and "a=rtcp-mux" not in lines:
            raise OfferInvalid("a media section lacks rtcp-mux")
        if section.served and not section.codecs:
            raise OfferInvalid(f"no {section.kind} codec in common; offer {' or '.join(FORWARDED[section.kind])}")
    if not any(section.served for section in sections):
        raise OfferInvalid("the description offers neither audio nor video")


def _fragment(lines: list[str]) -> str:
    found = _attributes(lines, "ice-ufrag")
    if not found or not TOKEN.fullmatch(found[0]) or not _attributes(lines, "ice-pwd"):
        raise OfferInvalid("the description has no ICE credentials")
    return found[0]


def _fingerprints(lines: list[str]) -> list[tuple[str, str]]:
    matches = [FINGERPRINT.fullmatch(value.strip()) for value in _attributes(lines, "fingerprint")]
    found = [(match[1].lower(), match[2].upper()) for match in matches if match]
    if not any(algorithm in ("sha-256", "sha-384", "sha-512") for algorithm, _ in found):
        raise OfferInvalid("the description has no certificate fingerprint of kind sha-256, sha-384 or sha-512")
    if not {"actpass", "active"} & set(_attributes(lines, "setup")):
        raise OfferInvalid("the description must offer setup actpass or active")
    return found
