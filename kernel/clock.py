"""What time it is, handed in so that tests can say it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

CHONGQING = ZoneInfo("Asia/Shanghai")
"""The hospital's wall clock: +08:00 all year, no daylight saving."""


class Clock(Protocol):
    """Tells the present instant, always aware and in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, moved by a fixed offset when a rehearsal plays another day."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until a test moves it."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


def local(at: datetime) -> datetime:
    """The same instant on the hospital's wall clock."""
    return at.astimezone(CHONGQING)
