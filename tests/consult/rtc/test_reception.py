"""What counts as lost, when it is asked for, and what the reports say."""

from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc.reception import GIVE_UP_AFTER, MOST_MISSING, TRIES, Reception


def receiving(*sequences: int) -> Reception:
    """A stream that has received these packets at time 0."""
    reception = Reception(1, 90000, asks=True)
    for sequence in sequences:
        reception.add(sequence & 0xFFFF, 0, 0.0)
    return reception


def test_a_hole_is_asked_for_at_once_and_again() -> None:
    """Missing packets are asked for immediately, then after a round trip, not in between."""
    reception = receiving(65533, 65534, 1)
    assert reception.to_ask(0.0, 0.1) == [65535, 0]
    assert reception.to_ask(0.05, 0.1) == []
    assert reception.to_ask(0.2, 0.1) == [65535, 0]


def test_what_arrives_late_is_no_longer_missing() -> None:
    """A late packet and a retransmitted one both fill their holes; a repeated one fills none."""
    reception = receiving(10, 13)
    assert reception.add(11, 0, 0.0) == -2
    assert reception.recovered(12)
    assert not reception.recovered(12)
    assert reception.to_ask(1.0, 0.1) == []


def test_what_does_not_come_is_given_up() -> None:
    """After enough tries, or enough time, the hole is given up and said to be."""
    reception = receiving(10, 12)
    asked = sum(bool(reception.to_ask(0.04 * turn, 0.0)) for turn in range(25))
    assert asked == TRIES
    assert reception.gave_up
    reception = receiving(10, 12)
    assert reception.to_ask(GIVE_UP_AFTER + 0.1, 0.1) == []
    assert reception.gave_up


def test_a_very_large_hole_is_given_up_at_once() -> None:
    """Memory of missing packets is bounded."""
    reception = receiving(0, 2, 5 + MOST_MISSING)
    assert not reception.missing
    assert reception.gave_up


def test_a_report_counts_loss_since_the_last_one() -> None:
    """One of four lost is 64/256; the next report starts anew but keeps the total."""
    reception = receiving(65534, 65535, 1)
    first = reception.report(1.0)
    assert (first.fraction_lost, first.cumulative_lost, first.highest_sequence) == (64, 1, 65537)
    reception.add(2, 0, 1.0)
    second = reception.report(2.0)
    assert (second.fraction_lost, second.cumulative_lost) == (0, 1)


@given(st.lists(st.integers(0, 0xFFFF), max_size=300))
def test_any_order_of_packets_is_survived(sequences: list[int]) -> None:
    """No sequence of numbers makes the count fail or the missing unbounded."""
    reception = receiving(*sequences)
    assert len(reception.missing) <= MOST_MISSING
    if sequences:
        assert 0 <= reception.report(1.0).fraction_lost <= 255
