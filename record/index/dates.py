"""FHIR dates as half-open ranges of instants: what a date of this precision may mean.

https://hl7.org/fhir/R4/search.html#date. A date without a time is the hospital's day (+08:00).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Stands for "since ever"; a resource without a date has both ends here. The first day of all is the driver's own word
for minus infinity, which does not come back as it went in."""
END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Stands for "for ever"."""

HOSPITAL = timezone(timedelta(hours=8))
"""The hospital's zone without its daylight saving of 1940 to 1991, so that a year always holds its days."""

WRITTEN = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Range:
    """All instants from `lo` up to, not including, `hi`."""

    lo: datetime
    hi: datetime


UNDATED = Range(BEGINNING, BEGINNING)


def read(text: str) -> Range:
    """A FHIR date, dateTime or instant, a time to the minute allowed. Raises ValueError."""
    written = WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError("not a FHIR date")
    year, month, day, hour, minute, second, fraction, zone = written.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    leap = second == "60"
    start = datetime(
        *(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0)),
        *(59 if leap else int(second or 0), micros),
        tzinfo=_zone(zone),
    )
    if fraction:
        return _range(start, timedelta(microseconds=10 ** max(0, 6 - len(fraction))))
    if hour:
        return _range(start, timedelta(seconds=1) if second else timedelta(minutes=1))
    if day:
        return _range(start, timedelta(days=1))
    return _months(start, 1 if month else 12)


def of(value: Any, type_: str) -> Range | None:
    """The range an element's value covers, or None when it names no time."""
    try:
        match type_:
            case "Period":
                return _period(value)
            case "Timing":
                return _timing(value)
            case _ if isinstance(value, str):
                return read(value)
    except ValueError:
        return None
    return None


def _period(value: dict[str, Any]) -> Range | None:
    if not (value.get("start") or value.get("end")):
        return None
    lo = read(value["start"]).lo if value.get("start") else BEGINNING
    hi = read(value["end"]).hi if value.get("end") else END
    return Range(lo, max(lo, hi))


def _timing(value: dict[str, Any]) -> Range | None:
    events = [read(event) for event in value.get("event", ()) if event]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds and (period := _period(bounds)):
        events.append(period)
    return Range(min(e.lo for e in events), max(e.hi for e in events)) if events else None


def _zone(text: str | None) -> Any:
    if text is None:
        return HOSPITAL
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def _range(start: datetime, width: timedelta) -> Range:
    lo = _utc(start)
    return Range(lo, lo + width if lo < END - width else END)


def _months(start: datetime, months: int) -> Range:
    after = start.year * 12 + start.month - 1 + months
    year, month = divmod(after, 12)
    return Range(_utc(start), _utc(start.replace(year=year, month=month + 1)) if year <= 9999 else END)


def _utc(at: datetime) -> datetime:
    """In UTC, held inside what a calendar of four digits can say."""
    try:
        return min(max(at.astimezone(UTC), BEGINNING), END)
    except OverflowError:
        return BEGINNING if at.year == 1 else END
