"""Telling a sender how its packets arrive, so that it can find its bitrate: transport-wide feedback or REMB.

https://datatracker.ietf.org/doc/html/draft-holmer-rmcat-transport-wide-cc-extensions-01
"""

import struct

from services.consult.rtc import rtcp

TICK = 0.00025
"""Seconds per unit of an arrival delta."""

REFERENCE = 256
"""Ticks per unit of the reference time (64 ms)."""

MOST_PENDING = 512
LARGEST_SPAN, MOST_ARRIVALS = 1024, 256
"""Sequence numbers and arrivals one feedback may cover, so that it stays below 900 bytes."""

NOT_RECEIVED, SMALL_DELTA, LARGE_DELTA = 0, 1, 2


class TransportFeedback:
    """Collects arrivals of one peer's packets by transport-wide sequence number and reports them."""

    __slots__ = ("_arrivals", "_count", "_newest")

    def __init__(self) -> None:
        self._arrivals: dict[int, int] = {}
        self._newest = -1
        self._count = 0

    def arrived(self, sequence: int, now: float) -> None:
        """Note a packet's arrival; `now` in seconds of a monotonic clock."""
        newest = self._newest
        if newest >= 0:
            step = sequence - newest & 0xFFFF
            sequence = newest + step if step < 0x8000 else newest + step - 0x10000
        if sequence > newest:
            self._newest = sequence
        if len(self._arrivals) < MOST_PENDING:
            self._arrivals.setdefault(sequence, int(now / TICK))

    @property
    def pending(self) -> int:
        """How many arrivals wait to be reported."""
        return len(self._arrivals)

    def packets(self, sender: int, media: int) -> list[bytes]:
        """The feedback due, as RTCP packets; what was noted is forgotten."""
        arrivals = sorted(item for item in self._arrivals.items() if item[0] >= 0)
        self._arrivals.clear()
        written: list[bytes] = []
        while arrivals:
            taken = _one_feedback(arrivals)
            written.append(_transport_wide(sender, media, arrivals[:taken], self._count & 0xFF))
            self._count += 1
            del arrivals[:taken]
        return written


def _one_feedback(arrivals: list[tuple[int, int]]) -> int:
    """How many of the arrivals fit into one packet: bounded span, each delta within 16 bits."""
    base, previous = arrivals[0]
    for index, (sequence, tick) in enumerate(arrivals):
        if index == MOST_ARRIVALS or sequence - base >= LARGEST_SPAN or not -0x8000 <= tick - previous <= 0x7FFF:
            return index
        previous = tick
    return len(arrivals)


def _transport_wide(sender: int, media: int, arrivals: list[tuple[int, int]], count: int) -> bytes:
    base, first_tick = arrivals[0]
    reference = first_tick // REFERENCE
    symbols: list[int] = []
    deltas = bytearray()
    previous, expected = reference * REFERENCE, base
    for sequence, tick in arrivals:
        symbols.extend([NOT_RECEIVED] * (sequence - expected))
        delta, previous, expected = tick - previous, tick, sequence + 1
        small = 0 <= delta <= 0xFF
        symbols.append(SMALL_DELTA if small else LARGE_DELTA)
        deltas += bytes([delta]) if small else struct.pack("!h", delta)
    head = struct.pack("!IIHHI", sender, media, base & 0xFFFF, len(symbols), (reference & 0xFFFFFF) << 8 | count)
    body = head + _chunks(symbols) + deltas
    padding = -len(body) & 3
    if not padding:
        return rtcp.written(rtcp.TRANSPORT_FEEDBACK, rtcp.TRANSPORT_WIDE, body)
    padded = rtcp.written(rtcp.TRANSPORT_FEEDBACK, rtcp.TRANSPORT_WIDE, body + bytes(padding - 1) + bytes([padding]))
    return bytes([padded[0] | 0x20]) + padded[1:]


def _chunks(symbols: list[int]) -> bytes:
    """Status chunks: a run where one symbol repeats at least seven times, else vectors of seven two-bit symbols."""
    written = bytearray()
    at = 0
    while at < len(symbols):
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbols[at] and run < 0x1FFF:
            run += 1
        if run >= 7 or at + run == len(symbols):
            written += struct.pack("!H", symbols[at] << 13 | run)
            at += run
            continue
        chunk = 0xC000
        for place, symbol in enumerate(symbols[at : at + 7]):
            chunk |= symbol << 12 - 2 * place
        written += struct.pack("!H", chunk)
        at += 7
    return bytes(written)


class BitrateEstimate:
    """A bitrate ceiling for senders that understand REMB only: rises while nothing is lost, falls with loss.

    Bits per second. It is bounded by twice what really arrives, so that it never promises what was never tried.
    """

    LOWEST, HIGHEST, START = 150_000, 4_000_000, 1_000_000

    __slots__ = ("_octets", "bitrate")

    def __init__(self) -> None:
        self.bitrate = self.START
        self._octets = 0

    def arrived(self, octets: int) -> None:
        """Count a packet's bytes."""
        self._octets += octets

    def update(self, fraction_lost: int, seconds: float) -> int:
        """The new ceiling after an interval in which `fraction_lost`/256 of the packets were lost."""
        received = int(self._octets * 8 / seconds)
        self._octets = 0
        if fraction_lost > 26:
            self.bitrate = int(min(self.bitrate, received or self.bitrate) * (1 - fraction_lost / 512))
        elif fraction_lost < 6:
            ceiling = max(self.START, 2 * received)
            self.bitrate = min(int(self.bitrate * 1.15), max(self.bitrate, ceiling))
        self.bitrate = max(self.LOWEST, min(self.bitrate, self.HIGHEST))
        return self.bitrate
