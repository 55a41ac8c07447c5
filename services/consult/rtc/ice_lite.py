"""The server side of ICE: answering a participant's connectivity checks (RFC 8445 section 2.5, RFC 8489).

https://www.rfc-editor.org/rfc/rfc8489
"""

import hmac
import ipaddress
import secrets
import struct
from dataclasses import dataclass, field
from typing import TypeAlias
from zlib import crc32

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as the socket itself gives it."""

COOKIE = 0x2112A442
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
XOR_MAPPED_ADDRESS = 0x0020
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029

FINGERPRINT_XOR = 0x5354554E
HEADER = struct.Struct("!HHI12s")
ATTRIBUTE = struct.Struct("!HH")
LARGEST_CHECK = 1280
ROLE_CONFLICT = b"\x00\x00\x04\x57Role Conflict"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What both ends of one connection know: the user name fragment and the password of one of them."""

    fragment: str
    password: str = field(repr=False)

    @classmethod
    def fresh(cls) -> "Credentials":
        """Credentials nobody can guess (RFC 8445 section 5.3)."""
        return cls(secrets.token_hex(8), secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Check:
    """One connectivity check of a participant, not yet verified."""

    packet: bytes
    transaction: bytes
    fragments: tuple[str, str]
    """Ours, then theirs."""
    integrity_at: int
    nominates: bool
    claims_controlled: bool

    def verified(self, password: str) -> bool:
        """Whether the sender knows our password."""
        at = self.integrity_at
        expected = _integrity(self.packet[:at], password)
        return hmac.compare_digest(expected, self.packet[at + 4 : at + 24])


def read_check(packet: bytes) -> Check | None:
    """The Binding request in a datagram, or None when it is anything else or malformed."""
    if not 20 <= len(packet) <= LARGEST_CHECK:
        return None
    kind, length, cookie, transaction = HEADER.unpack_from(packet)
    if kind != BINDING_REQUEST or cookie != COOKIE or length != len(packet) - 20 or length & 3:
        return None
    found = _attributes(packet)
    if found is None or USERNAME not in found or MESSAGE_INTEGRITY not in found:
        return None
    integrity_at, integrity_size = found[MESSAGE_INTEGRITY]
    fragments = _fragments(packet, *found[USERNAME])
    if integrity_size != 20 or fragments is None:
        return None
    return Check(packet, transaction, fragments, integrity_at, USE_CANDIDATE in found, ICE_CONTROLLED in found)


def success(check: Check, address: Address, password: str) -> bytes:
    """The answer to a verified check: the address it was seen from."""
    return _response(BINDING_SUCCESS, check, XOR_MAPPED_ADDRESS, _xor_address(address, check.transaction), password)


def role_conflict(check: Check, password: str) -> bytes:
    """The answer to a participant that also claims the controlled role (RFC 8445 section 7.3.1.1)."""
    return _response(BINDING_ERROR, check, ERROR_CODE, ROLE_CONFLICT, password)


def _attributes(packet: bytes) -> dict[int, tuple[int, int]] | None:
    """Position and value size of each attribute; what follows MESSAGE-INTEGRITY counts only if it is FINGERPRINT."""
    found: dict[int, tuple[int, int]] = {}
    at = 20
    while at < len(packet):
        kind, size = ATTRIBUTE.unpack_from(packet, at)
        if at + 4 + size > len(packet):
            return None
        if kind == FINGERPRINT:
            return found if size == 4 and _fingerprint_matches(packet, at) else None
        if MESSAGE_INTEGRITY not in found:
            found.setdefault(kind, (at, size))
        at += 4 + size + (-size & 3)
    return found


def _fingerprint_matches(packet: bytes, at: int) -> bool:
    (value,) = struct.unpack_from("!I", packet, at + 4)
    return at + 8 == len(packet) and value == crc32(packet[:at]) ^ FINGERPRINT_XOR


def _fragments(packet: bytes, at: int, size: int) -> tuple[str, str] | None:
    try:
        ours, separator, theirs = packet[at + 4 : at + 4 + size].decode("ascii").partition(":")
    except UnicodeDecodeError:
        return None
    return (ours, theirs) if separator else None


def _integrity(before: bytes, password: str) -> bytes:
    """HMAC over all that precedes the attribute, its length field counting the attribute itself."""
    covered = before[:2] + struct.pack("!H", len(before) - 20 + 24) + before[4:]
    return hmac.digest(password.encode(), covered, "sha1")


def _response(kind: int, check: Check, attribute: int, value: bytes, password: str) -> bytes:
    body = ATTRIBUTE.pack(attribute, len(value)) + value + bytes(-len(value) & 3)
    before = HEADER.pack(kind, len(body), COOKIE, check.transaction) + body
    signed = before + ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + _integrity(before, password)
    signed = signed[:2] + struct.pack("!H", len(signed) - 20 + 8) + signed[4:]
    return signed + ATTRIBUTE.pack(FINGERPRINT, 4) + struct.pack("!I", crc32(signed) ^ FINGERPRINT_XOR)


def _xor_address(address: Address, transaction: bytes) -> bytes:
    host = ipaddress.ip_address(address[0].partition("%")[0])
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    mask = struct.pack("!I", COOKIE) + transaction
    xored = bytes(a ^ b for a, b in zip(host.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if host.version == 4 else 2, address[1] ^ COOKIE >> 16) + xored
