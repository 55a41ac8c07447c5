"""Numbered arguments and dates in SQL; no value a searcher wrote ever becomes text of a statement."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from record.index.dates import BEGINNING, Range
from record.index.parameters import SEARCHES
from record.search.criterion import Criterion, Dates

LONGEST_INSTANT = timedelta(seconds=1)


class Arguments(list[object]):
    """The statement's arguments; adding one gives its place."""

    def add(self, value: object, cast: str = "") -> str:
        self.append(value)
        return f"${len(self)}{f'::{cast}' if cast else ''}"


def date_condition(values: tuple[tuple[str, Range], ...], lo: str, hi: str, arguments: Arguments) -> str:
    """At least one of these ranges, on the columns `lo` and `hi`."""
    return "(" + " or ".join(_date(prefix, range_, lo, hi, arguments) for prefix, range_ in values) + ")"


INSIDE = "{lo} >= {since} and {hi} <= {until}"
FITS = {
    "eq": INSIDE,
    "ne": f"not ({INSIDE})",
    "gt": "{hi} > {until}",
    "lt": "{lo} < {since}",
    "ge": f"({{hi}} > {{until}} or {INSIDE})",
    "le": f"({{lo}} < {{since}} or {INSIDE})",
    "sa": "{lo} >= {until}",
    "eb": "{hi} <= {since}",
    "ap": "{lo} < {until} and {hi} > {since}",
}
"""FHIR's prefixes on half-open ranges (https://hl7.org/fhir/R4/search.html#prefix)."""


def _date(prefix: str, asked: Range, lo: str, hi: str, arguments: Arguments) -> str:
    """One prefix and range; what has no date never matches."""
    fits = _placed(FITS[prefix], asked, {"lo": lo, "hi": hi}, arguments)
    return f"({fits} and {hi} > {arguments.add(BEGINNING, 'timestamptz')})"


INSTANT_INSIDE = "{at} >= {since} and {at} < {until}"
INSTANT_FITS = {
    "eq": INSTANT_INSIDE,
    "ne": f"not ({INSTANT_INSIDE})",
    "gt": "{at} >= {until}",
    "lt": "{at} < {since}",
    "ge": "{at} >= {since}",
    "le": "{at} < {until}",
    "sa": "{at} >= {until}",
    "eb": "{at} < {since}",
    "ap": INSTANT_INSIDE,
}
"""The same on a column that holds one instant, plain enough for its index."""


def instant_condition(values: tuple[tuple[str, Range], ...], at: str, arguments: Arguments) -> str:
    """At least one of these ranges, on a column of instants."""
    fits = (_placed(INSTANT_FITS[prefix], range_, {"at": at}, arguments) for prefix, range_ in values)
    return "(" + " or ".join(fits) + ")"


def _placed(fits: str, asked: Range, places: dict[str, str], arguments: Arguments) -> str:
    # PostgreSQL cannot tell the type of an argument that no text refers to.
    for name, at in (("{since}", asked.lo), ("{until}", asked.hi)):
        if name in fits:
            places[name.strip("{}")] = arguments.add(at, "timestamptz")
    return f"({fits.format(**places)})"


def bounds(conditions: Sequence[Criterion], type_: str, row: str, arguments: Arguments) -> str:
    """What single main dates say about `lo` alone, so that an index in date order starts at the right place."""
    mains = [one for one in conditions if isinstance(one, Dates) and one.parameter and len(one.values) == 1]
    instant = SEARCHES[type_].instant
    return "".join(limits(*one.values[0], f"{row}.lo", arguments, instant=instant) for one in mains)


def limits(prefix: str, asked: Range, lo: str, arguments: Arguments, *, instant: bool = False) -> str:
    """What a prefix and range say about the column `lo` alone, for its index."""
    found = _limits(prefix, asked, instant=instant)
    return "".join(f" and {lo} {comparison} {arguments.add(at, 'timestamptz')}" for comparison, at in found)


def _limits(prefix: str, asked: Range, *, instant: bool) -> Iterator[tuple[str, datetime]]:
    if prefix in {"eq", "sa"}:
        yield ">=", asked.lo
    if prefix in {"ge", "gt"} and instant and asked.lo > BEGINNING:
        yield ">=", asked.lo - LONGEST_INSTANT
    if prefix in {"eq", "le", "lt", "eb"}:
        yield "<=", asked.hi
