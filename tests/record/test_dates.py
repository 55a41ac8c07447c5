"""FHIR dates as ranges."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record.index import dates
from record.index.dates import BEGINNING, END, Range


@pytest.mark.parametrize(
    ("text", "lo", "width"),
    [
        ("2026", datetime(2025, 12, 31, 16, tzinfo=UTC), timedelta(days=365)),
        ("2024-02", datetime(2024, 1, 31, 16, tzinfo=UTC), timedelta(days=29)),
        ("2024-02-29", datetime(2024, 2, 28, 16, tzinfo=UTC), timedelta(days=1)),
        ("2026-11-25T08:30:00+08:00", datetime(2026, 11, 25, 0, 30, tzinfo=UTC), timedelta(seconds=1)),
        ("2026-11-25T08:30Z", datetime(2026, 11, 25, 8, 30, tzinfo=UTC), timedelta(minutes=1)),
        ("2026-11-25T08:30:00.25Z", datetime(2026, 11, 25, 8, 30, 0, 250000, tzinfo=UTC), timedelta(milliseconds=10)),
    ],
)
def test_a_date_covers_what_its_precision_leaves_open(text: str, lo: datetime, width: timedelta) -> None:
    """A year, a month, a day, a second each cover all their instants, days being the hospital's own."""
    assert dates.read(text) == Range(lo, lo + width)


@pytest.mark.parametrize("text", ["2023-02-29", "2026-13", "26-01-01", "2026-1-1", "today", "", "2026-01-01T25:00:00Z"])
def test_what_is_no_day_is_refused(text: str) -> None:
    """A day that no calendar has raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the callers name the place themselves
        dates.read(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999", "0001"])
def test_the_ends_of_the_calendar_stay_inside_it(text: str) -> None:
    """Dates at either end of the calendar are read, and their ranges stay inside what the database can hold."""
    found = dates.read(text)
    assert BEGINNING <= found.lo <= found.hi <= END


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - zone below
def test_a_finer_date_lies_inside_the_coarser(at: datetime) -> None:
    """Second, day, month and year of one instant lie inside one another."""
    spelt = at.strftime("%Y-%m-%dT%H:%M:%S+08:00")
    ranges = [dates.read(text) for text in (spelt, spelt[:10], spelt[:7], spelt[:4])]
    for inner, outer in pairwise(ranges):
        assert outer.lo <= inner.lo < inner.hi <= outer.hi


def test_an_open_period_reaches_to_the_end_of_time() -> None:
    """A period without an end has begun and not ended; one without either names no time."""
    found = dates.of({"start": "2026-11-25"}, "Period")
    assert found
    assert found.hi == END
    assert dates.of({}, "Period") is None
    assert dates.of({"event": ["2026-11-25", "2026-11-27"]}, "Timing") == Range(
        dates.read("2026-11-25").lo, dates.read("2026-11-27").hi
    )
