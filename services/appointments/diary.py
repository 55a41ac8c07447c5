"""A doctor's diary: from patterns that repeat to the times of one day (号源)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from kernel.clock import CHONGQING
from services.appointments.appointment import Visit


@dataclass(frozen=True, slots=True)
class Pattern:
    """Clinic hours that come again every `cycle_days` days, cut into slots of equal length."""

    schedule: str
    cycle_days: int
    day_of_cycle: int
    begins: time
    slots: int
    minutes: int
    visit: Visit
    capacity: int

    def falls_on(self, day: date) -> bool:
        """Whether the clinic is held on this day. Day 0 of every cycle is a Sunday of the proleptic calendar."""
        return day.toordinal() % self.cycle_days == self.day_of_cycle


@dataclass(frozen=True, slots=True)
class Opening:
    """One slot that a day opens with."""

    slot: str
    schedule: str
    starts_at: datetime
    ends_at: datetime
    visit: Visit
    capacity: int


def openings(patterns: Iterable[Pattern], day: date) -> Iterator[Opening]:
    """The day's slots. The same patterns and day give the same slots with the same ids."""
    for pattern in patterns:
        if pattern.falls_on(day):
            yield from _cut(pattern, day)


def _cut(pattern: Pattern, day: date) -> Iterator[Opening]:
    opens = datetime.combine(day, pattern.begins, CHONGQING)
    length = timedelta(minutes=pattern.minutes)
    for index in range(pattern.slots):
        start = opens + index * length
        name = f"slot-{pattern.schedule.removeprefix('schedule-')}-{start:%Y%m%d%H%M}"
        yield Opening(name, pattern.schedule, start, start + length, pattern.visit, pattern.capacity)
