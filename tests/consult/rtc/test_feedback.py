"""Transport-wide feedback read back by a reader written from the draft, and the bitrate ceiling's behaviour."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc import rtcp
from services.consult.rtc.feedback import MOST_PENDING, TICK, BitrateEstimate, TransportFeedback


def arrivals(packet: bytes) -> dict[int, int]:
    """Sequence number to arrival in ticks, from one feedback packet."""
    (block,) = rtcp.blocks(packet, len(packet))
    base, count, word = struct.unpack_from("!HHI", block.body, 8)
    at, symbols = 16, list[int]()
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", block.body, at)
        at += 2
        if chunk & 0x8000:
            assert chunk & 0x4000
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
    tick, found = (word >> 8) * 256, dict[int, int]()
    for offset, symbol in enumerate(symbols[:count]):
        if symbol:
            tick += block.body[at] if symbol == 1 else struct.unpack_from("!h", block.body, at)[0]
            at += symbol
            found[base + offset & 0xFFFF] = tick
    assert at == len(block.body)
    return found


@given(
    first=st.integers(0, 0xFFFF),
    steps=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3000)), min_size=1, max_size=200),
)
def test_every_arrival_is_reported_once(first: int, steps: list[tuple[int, int]]) -> None:
    """Whatever is lost or delayed in between, each arrival is told with its time, across the wrap, too."""
    feedback, expected = TransportFeedback(), dict[int, int]()
    sequence, tick = first, 4_000_000
    for gap, delay in steps:
        feedback.arrived(sequence & 0xFFFF, (tick + 0.5) * TICK)
        expected[sequence & 0xFFFF] = tick
        sequence, tick = sequence + gap, tick + delay
    reported: dict[int, int] = {}
    for packet in feedback.packets(1, 2):
        reported |= arrivals(packet)
    assert reported == {number: tick & 0xFFFFFF * 256 | tick & 0xFF for number, tick in expected.items()}
    assert feedback.pending == 0


def test_reordered_packets_are_reported_in_place() -> None:
    """A packet that arrives after its successor has a negative delta, not a wrong time."""
    feedback = TransportFeedback()
    for sequence, tick in ((10, 1000), (12, 1010), (11, 1020)):
        feedback.arrived(sequence, (tick + 0.5) * TICK)
    (packet,) = feedback.packets(1, 2)
    assert arrivals(packet) == {10: 1000, 11: 1020, 12: 1010}


def test_a_flood_between_two_reports_is_bounded() -> None:
    """Memory does not grow with packets that arrive faster than reports go out."""
    feedback = TransportFeedback()
    for sequence in range(5000):
        feedback.arrived(sequence, 1.0)
    assert feedback.pending == MOST_PENDING


def test_feedback_is_numbered() -> None:
    """Each feedback packet carries the next count, so that a sender notices a lost one."""
    feedback, counts = TransportFeedback(), []
    for sequence in range(300):
        feedback.arrived(sequence, 1.0)
        (packet,) = feedback.packets(1, 2)
        counts.append(packet[19])
    assert counts == [number & 0xFF for number in range(300)]


def test_the_ceiling_falls_with_loss_and_rises_without() -> None:
    """Half the packets lost lowers the ceiling below what arrived; a clean second raises it again."""
    estimate = BitrateEstimate()
    estimate.arrived(100_000)
    lowered = estimate.update(128, 1.0)
    assert lowered < 800_000
    estimate.arrived(100_000)
    assert estimate.update(0, 1.0) > lowered


def test_the_ceiling_keeps_its_bounds() -> None:
    """However long it goes well or badly, the ceiling stays between its limits."""
    estimate = BitrateEstimate()
    for _ in range(50):
        estimate.arrived(10_000_000)
        estimate.update(0, 1.0)
    assert estimate.bitrate == BitrateEstimate.HIGHEST
    for _ in range(50):
        estimate.arrived(10)
        estimate.update(255, 1.0)
    assert estimate.bitrate == BitrateEstimate.LOWEST
