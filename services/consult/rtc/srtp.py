"""SRTP and SRTCP in place: libsrtp works on our own buffers, nothing is copied (RFC 3711, RFC 7714).

pylibsrtp's own calls copy three times per packet, so its C library object is used directly.
"""

from dataclasses import dataclass

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

BUFFER_SIZE = 2048
LARGEST_PACKET = 1500
"""Longer datagrams are dropped."""

LARGEST_PLAIN = BUFFER_SIZE - 160
"""libsrtp writes the authentication tag behind the packet, so that much of a buffer stays free."""

REPLAY_WINDOW = 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """A protection profile of DTLS-SRTP (RFC 5764 section 4.1.2)."""

    name: bytes
    policy: int
    key_length: int
    salt_length: int

    @property
    def material_length(self) -> int:
        return 2 * (self.key_length + self.salt_length)

    def keys(self, material: bytes) -> tuple[bytes, bytes]:
        """The client's and the server's write key, each followed by its salt."""
        key, salt = self.key_length, self.salt_length
        salts = material[2 * key :]
        return material[:key] + salts[:salt], material[key : 2 * key] + salts[salt : 2 * salt]


PROFILES = (
    Profile(b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    Profile(b"SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    Profile(b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
)
"""In the order the server prefers them."""


class PacketBuffer:
    """One datagram's memory, seen as bytes, as a view and as a C pointer. It is never resized."""

    __slots__ = ("bytes", "pointer", "view")

    def __init__(self) -> None:
        self.bytes = bytearray(BUFFER_SIZE)
        self.view = memoryview(self.bytes)
        self.pointer = ffi.from_buffer(self.bytes)


class SrtpSession:
    """One direction of one peer's media protection. Sizes are bytes; -1 means the packet is refused."""

    __slots__ = ("_length", "_session", "_srtp")

    def __init__(self, profile: Profile, key: bytes, *, inbound: bool) -> None:
        kind = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
        policy = Policy(key=key, ssrc_type=kind, srtp_profile=profile.policy)
        policy.allow_repeat_tx = True
        policy.window_size = REPLAY_WINDOW
        self._session = Session(policy)
        self._srtp = self._session._srtp[0]
        self._length = ffi.new("int *")

    def unprotect(self, buffer: PacketBuffer, size: int) -> int:
        """Decrypt an RTP packet where it lies; refuses forged and replayed ones."""
        length = self._length
        length[0] = size
        return -1 if lib.srtp_unprotect(self._srtp, buffer.pointer, length) else int(length[0])

    def protect(self, buffer: PacketBuffer, size: int) -> int:
        """Encrypt an RTP packet where it lies."""
        if size > LARGEST_PLAIN:
            return -1
        length = self._length
        length[0] = size
        return -1 if lib.srtp_protect(self._srtp, buffer.pointer, length) else int(length[0])

    def unprotect_rtcp(self, buffer: PacketBuffer, size: int) -> int:
        """Decrypt an RTCP packet where it lies."""
        length = self._length
        length[0] = size
        return -1 if lib.srtp_unprotect_rtcp(self._srtp, buffer.pointer, length) else int(length[0])

    def protect_rtcp(self, buffer: PacketBuffer, size: int) -> int:
        """Encrypt an RTCP packet where it lies."""
        if size > LARGEST_PLAIN:
            return -1
        length = self._length
        length[0] = size
        return -1 if lib.srtp_protect_rtcp(self._srtp, buffer.pointer, length) else int(length[0])
