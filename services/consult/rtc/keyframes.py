"""Knowing a keyframe when it passes, and asking for one until it comes (RFC 7741, RFC 6184, RFC 4585)."""

from services.consult.rtc.rtp import Packet

THROTTLE = 0.5
"""Seconds between two requests to the same sender."""


def vp8_keyframe(packet: Packet, start: int, size: int) -> bool:
    """Whether this packet begins a VP8 keyframe. https://www.rfc-editor.org/rfc/rfc7741#section-4.2"""
    if start >= size or packet[start] & 0x17 != 0x10:
        return False
    at = start + 1
    if packet[start] & 0x80:
        if at >= size:
            return False
        flags = packet[at]
        at += 1
        if flags & 0x80:
            if at >= size:
                return False
            at += 2 if packet[at] & 0x80 else 1
        at += (flags >> 6 & 1) + (1 if flags & 0x30 else 0)
    return at < size and not packet[at] & 0x01


def h264_keyframe(packet: Packet, start: int, size: int) -> bool:
    """Whether this packet begins an H264 keyframe (parameter set or IDR slice). RFC 6184 section 5"""
    if start + 1 >= size:
        return False
    kind = packet[start] & 0x1F
    if kind == 24:
        return _aggregated_keyframe(packet, start + 1, size)
    if kind == 28:
        return packet[start + 1] & 0x80 != 0 and packet[start + 1] & 0x1F == 5
    return kind in (5, 7)


def _aggregated_keyframe(packet: Packet, at: int, size: int) -> bool:
    while at + 2 < size:
        if packet[at + 2] & 0x1F in (5, 7):
            return True
        at += 2 + (packet[at] << 8 | packet[at + 1])
    return False


BEGINS_KEYFRAME = {"VP8": vp8_keyframe, "H264": h264_keyframe}


class KeyframeRequests:
    """Whether a sender owes a keyframe, and when to ask for it again. Times are seconds of a monotonic clock."""

    __slots__ = ("_asked_at", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self._asked_at = float("-inf")

    def want(self) -> None:
        """Someone cannot decode without a keyframe."""
        self.wanted = True

    def seen(self) -> None:
        """A keyframe has begun to arrive."""
        self.wanted = False

    def due(self, now: float) -> bool:
        """Whether to send a request now; counts as sent if so."""
        if not self.wanted or now - self._asked_at < THROTTLE:
            return False
        self._asked_at = now
        return True
