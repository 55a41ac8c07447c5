"""RTP packets read and written in place, without an object per packet (RFC 3550, RFC 8285, RFC 4588).

https://www.rfc-editor.org/rfc/rfc3550#section-5.1
"""

import struct
from typing import TypeAlias

HEADER = struct.Struct("!BBHII")
"""First byte, marker and payload type, sequence number, timestamp, SSRC."""

HEADER_SIZE = HEADER.size
ONE_BYTE_PROFILE = 0xBEDE

Packet: TypeAlias = bytes | bytearray | memoryview


def payload_start(packet: Packet, size: int) -> int:
    """Where the payload begins, in bytes; 0 when the header does not fit into `size`."""
    if size < HEADER_SIZE:
        return 0
    first = packet[0]
    start = HEADER_SIZE + ((first & 0x0F) << 2)
    if first & 0x10:
        if size < start + 4:
            return 0
        start += 4 + ((packet[start + 2] << 8 | packet[start + 3]) << 2)
    return start if start <= size else 0


def extension(packet: Packet, end: int, wanted: int) -> tuple[int, int]:
    """Position and length of a one-byte header extension's value, or (0, 0).

    `end` is what `payload_start` gave for this packet. RFC 8285 section 4.2.
    """
    first = packet[0]
    if not first & 0x10:
        return 0, 0
    at = HEADER_SIZE + ((first & 0x0F) << 2)
    if packet[at] != ONE_BYTE_PROFILE >> 8 or packet[at + 1] != ONE_BYTE_PROFILE & 0xFF:
        return 0, 0
    at += 4
    while at < end:
        head = packet[at]
        if head == 0:
            at += 1
            continue
        identity, length = head >> 4, (head & 0x0F) + 1
        if identity == 15 or at + 1 + length > end:
            return 0, 0
        if identity == wanted:
            return at + 1, length
        at += 1 + length
    return 0, 0


def extension_block(identity: int, value: bytes) -> bytes:
    """A header-extension block that carries one element, padded to whole words."""
    element = bytes([identity << 4 | len(value) - 1]) + value
    element += bytes(-len(element) % 4)
    return struct.pack("!HH", ONE_BYTE_PROFILE, len(element) // 4) + element


def unwrap_rtx(packet: bytearray, size: int, start: int, payload_type: int, ssrc: int) -> int:
    """Turn a retransmission into the packet it repeats, in place; returns the new size, 0 when nothing is inside.

    The packet gets back its own sequence number, payload type and SSRC (RFC 4588 section 4).
    """
    if packet[0] & 0x20:
        size -= packet[size - 1]
        packet[0] &= 0xDF
    if size < start + 3:
        return 0
    packet[1] = (packet[1] & 0x80) | payload_type
    packet[2:4] = packet[start : start + 2]
    struct.pack_into("!I", packet, 8, ssrc)
    packet[start : size - 2] = packet[start + 2 : size]
    return size - 2
