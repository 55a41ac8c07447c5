"""RTCP read block by block and written (RFC 3550, RFC 4585, RFC 5104, RFC 5506).

A block that cannot be read is skipped and never costs its neighbours. https://www.rfc-editor.org/rfc/rfc3550#section-6
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.consult.rtc.rtp import Packet

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

NACK = 1
TRANSPORT_WIDE = 15
PICTURE_LOSS = 1
FULL_INTRA = 4
APPLICATION = 15

MOST_LOST_PER_NACK = 17 * 64


@dataclass(frozen=True, slots=True)
class Block:
    """One RTCP packet of a compound: its type, its count or format field, and its body after the first four bytes."""

    kind: int
    count: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SenderTimes:
    """A sender report's clock pair: NTP time (64 bits) and RTP timestamp of the same instant."""

    ssrc: int
    ntp: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one stream: loss since the last report in 1/256, and delays in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int

    def packed(self) -> bytes:
        lost = max(-0x800000, min(self.cumulative_lost, 0x7FFFFF)) & 0xFFFFFF
        word = self.fraction_lost << 24 | lost
        return struct.pack("!6I", self.ssrc, word, self.highest_sequence, self.jitter, self.last_report, self.delay)


def blocks(packet: Packet, size: int) -> Iterator[Block]:
    """The blocks of a compound packet, up to the first one whose length does not fit."""
    at = 0
    while at + 4 <= size:
        first, kind = packet[at], packet[at + 1]
        end = at + 4 + ((packet[at + 2] << 8 | packet[at + 3]) << 2)
        if first >> 6 != 2 or end > size:
            return
        last = end
        if first & 0x20:
            last -= packet[end - 1]
        if last >= at + 4:
            yield Block(kind, first & 0x1F, bytes(packet[at + 4 : last]))
        at = end


def sender_times(block: Block) -> SenderTimes | None:
    """The clock pair of a sender report."""
    if len(block.body) < 24:
        return None
    ssrc, ntp, timestamp = struct.unpack_from("!IQI", block.body)
    return SenderTimes(ssrc, ntp, timestamp)


def report_blocks(block: Block) -> Iterator[ReportBlock]:
    """The reception reports inside a sender or receiver report."""
    at = 24 if block.kind == SENDER_REPORT else 4
    for _ in range(block.count):
        if at + 24 > len(block.body):
            return
        ssrc, word, highest, jitter, last_report, delay = struct.unpack_from("!6I", block.body, at)
        lost = word & 0xFFFFFF
        yield ReportBlock(ssrc, word >> 24, lost - ((lost & 0x800000) << 1), highest, jitter, last_report, delay)
        at += 24


def media_ssrc(block: Block) -> int:
    """Which stream a feedback block speaks of; 0 when it does not say."""
    return int.from_bytes(block.body[4:8], "big")


def lost_sequences(block: Block) -> list[int]:
    """The sequence numbers a NACK asks for, at most `MOST_LOST_PER_NACK`. RFC 4585 section 6.2.1"""
    lost: list[int] = []
    for at in range(8, len(block.body) - 3, 4):
        first, mask = struct.unpack_from("!HH", block.body, at)
        lost.append(first)
        lost.extend(first + 1 + bit & 0xFFFF for bit in range(16) if mask >> bit & 1)
        if len(lost) >= MOST_LOST_PER_NACK:
            break
    return lost


def full_intra_targets(block: Block) -> list[int]:
    """The streams a Full Intra Request names. RFC 5104 section 4.3.1"""
    return [int.from_bytes(block.body[at : at + 4], "big") for at in range(8, len(block.body) - 7, 8)]


def written(kind: int, count: int, body: bytes) -> bytes:
    """A block's bytes; the body is a whole number of 32-bit words."""
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def nack(sender: int, media: int, lost: Iterable[int]) -> bytes:
    """Asks a sender for lost packets again; `lost` in rising order."""
    items: list[list[int]] = []
    for sequence in lost:
        gap = sequence - items[-1][0] - 1 & 0xFFFF if items else 16
        if gap < 16:
            items[-1][1] |= 1 << gap
        else:
            items.append([sequence, 0])
    body = struct.pack("!II", sender, media) + b"".join(struct.pack("!HH", *item) for item in items)
    return written(TRANSPORT_FEEDBACK, NACK, body)


def picture_loss(sender: int, media: int) -> bytes:
    """Asks a sender for a keyframe."""
    return written(PAYLOAD_FEEDBACK, PICTURE_LOSS, struct.pack("!II", sender, media))


def remb(sender: int, bitrate: int, media: Iterable[int]) -> bytes:
    """Tells a sender how many bits per second it may use. draft-alvestrand-rmcat-remb-03"""
    exponent = max(0, bitrate.bit_length() - 18)
    streams = list(media)
    head = len(streams) << 24 | exponent << 18 | bitrate >> exponent
    body = struct.pack(f"!II4sI{len(streams)}I", sender, 0, b"REMB", head, *streams)
    return written(PAYLOAD_FEEDBACK, APPLICATION, body)


def receiver_report(sender: int, reports: list[ReportBlock]) -> bytes:
    """What arrived of a peer's streams; at most 31 of them."""
    return written(RECEIVER_REPORT, len(reports), struct.pack("!I", sender) + b"".join(r.packed() for r in reports))


def sender_report(times: SenderTimes, packets: int, octets: int, cname: bytes) -> bytes:
    """Our report on a forwarded stream, with the name that ties a participant's streams together."""
    body = struct.pack("!IQIII", times.ssrc, times.ntp, times.timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    item = struct.pack("!IBB", times.ssrc, 1, len(cname)) + cname
    item += bytes(4 - len(item) % 4)
    return written(SENDER_REPORT, 0, body) + written(SOURCE_DESCRIPTION, 1, item)
