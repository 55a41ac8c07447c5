"""Days on which the visit has to go as well: how far the clock must be moved to play them."""

from datetime import datetime, time, timedelta

from kernel.clock import CHONGQING, SystemClock, local

SUNDAY = 6


def at_three() -> timedelta:
    """To the coming night, 03:00 on the hospital's wall clock."""
    return _to(_next(time(3)))


def on_a_sunday(at: time = time(3)) -> timedelta:
    """To the coming Sunday."""
    day = _next(at)
    return _to(day + timedelta(days=(SUNDAY - day.weekday()) % 7))


def on_29_february() -> timedelta:
    """To the next 29 February, in 2028."""
    return _to(datetime(2028, 2, 29, 10, 30, tzinfo=CHONGQING))


def _next(at: time) -> datetime:
    now = local(SystemClock().now())
    today = datetime.combine(now.date(), at, CHONGQING)
    return today if today > now else today + timedelta(days=1)


def _to(day: datetime) -> timedelta:
    return timedelta(seconds=round((day - SystemClock().now()).total_seconds()))
