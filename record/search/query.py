"""A FHIR search request read into criteria and controls, before any SQL is thought of.

https://hl7.org/fhir/R4/search.html
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from record.failures import ModifierUnknown, ParameterUnknown, SearchTooLarge, ValueUnreadable
from record.index.parameters import SEARCHES, Kind, Parameter, parameters
from record.ownership import KEPT_APART
from record.search.criteria import Reader
from record.search.criterion import Criterion
from record.search.values import shown

USUAL_COUNT = 50
LARGEST_COUNT = 200
MOST_PARAMETERS = 50
MOST_SORT_KEYS = 5
EVERY = "*"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One of the values a search is put in order by; `parameter` None for _id and _lastUpdated."""

    code: str
    descending: bool = False
    parameter: Parameter | None = None


@dataclass(frozen=True, slots=True)
class Include:
    """Bring along what a reference parameter points at (or, reversed, what points here)."""

    source: str
    """The type that holds the reference, or `*`."""
    code: str
    """The parameter, or `*`."""
    target: str | None = None
    iterate: bool = False
    """Start from what came along as well."""

    def parameters_of(self, type_: str) -> list[Parameter]:
        """The reference parameters of a type that are meant."""
        if self.source not in {EVERY, type_} or type_ in KEPT_APART:
            return []
        found = (p for p in parameters(type_).values() if p.kind is Kind.REFERENCE and self.code in {EVERY, p.code})
        return [p for p in found if self.target is None or not p.targets or self.target in p.targets]


@dataclass(frozen=True, slots=True)
class Query:
    """A search request of one type, understood."""

    type: str
    conditions: tuple[Criterion, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int = USUAL_COUNT
    total: bool = False
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    ignored: tuple[str, ...] = ()


def parse(type_: str, asked: Sequence[tuple[str, str]], *, now: datetime, lenient: bool = False) -> Query:
    """The request understood. Raises ParameterUnknown, ModifierUnknown, ValueUnreadable, SearchTooLarge.

    With `lenient`, parameters that are not offered are left out and listed in `ignored`.
    """
    if len(asked) > MOST_PARAMETERS:
        raise SearchTooLarge
    reading = _Reading(type_, now)
    ignored = []
    for name, value in asked:
        try:
            reading.take(name, value)
        except (ParameterUnknown, ModifierUnknown):
            if not lenient:
                raise
            ignored.append(name)
    return reading.query(tuple(ignored))


@dataclass(slots=True)
class _Reading:
    """One request being read, parameter by parameter."""

    type: str
    now: datetime
    conditions: list[Criterion] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    sort: tuple[SortKey, ...] = ()
    count: int = USUAL_COUNT
    total: bool = False
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.now)

    def query(self, ignored: tuple[str, ...]) -> Query:
        return Query(
            type=self.type,
            conditions=tuple(self.conditions),
            sort=self.sort,
            count=self.count,
            total=self.total or self.count == 0,
            includes=tuple(self.includes),
            revincludes=tuple(self.revincludes),
            ignored=ignored,
        )

    def take(self, name: str, value: str) -> None:
        code, _, modifier = name.partition(":")
        if not value or "\0" in value:
            raise ValueUnreadable(f"'{shown(code)}' has no value.")
        if code in {"_include", "_revinclude"}:
            self._take_include(code, modifier, value)
        elif (control := CONTROLS.get(code)) is not None:
            if modifier:
                raise ModifierUnknown(f"'{code}' takes no modifier.")
            control(self, value)
        else:
            self.conditions.append(self.reader.read(self.type, name, value))

    def _take_count(self, value: str) -> None:
        if not re.fullmatch(r"[0-9]{1,6}", value):
            raise ValueUnreadable("_count must be a whole number.")
        self.count = min(int(value), LARGEST_COUNT)

    def _take_sort(self, value: str) -> None:
        keys = tuple(self._sort_key(one) for one in value.split(","))
        if len(keys) > MOST_SORT_KEYS:
            raise SearchTooLarge(f"_sort takes {MOST_SORT_KEYS} parameters.")
        self.sort = keys

    def _sort_key(self, value: str) -> SortKey:
        code, descending = value.removeprefix("-"), value.startswith("-")
        parameter = parameters(self.type).get(code)
        if self.type in KEPT_APART and code not in {SEARCHES[self.type].date, "_lastUpdated"}:
            raise ValueUnreadable(f"{self.type} can be sorted by its time.")
        if code not in {"_id", "_lastUpdated"} and (parameter is None or parameter.kind is Kind.COMPOSITE):
            raise ValueUnreadable(
                f"{self.type} cannot be sorted by that: name its search parameters, - in front for descending."
            )
        return SortKey(code, descending, parameter)

    def _take_total(self, value: str) -> None:
        if value not in {"accurate", "none", "estimate"}:
            raise ValueUnreadable("_total must be accurate, estimate or none.")
        self.total = value != "none"

    def _take_include(self, code: str, modifier: str, value: str) -> None:
        if modifier not in {"", "iterate"}:
            raise ModifierUnknown(f"'{code}' takes the modifier ':iterate' only.")
        if self.type in KEPT_APART:
            raise ParameterUnknown(f"Nothing comes along with an {self.type}.")
        include = _include(value, code, self.type, iterate=bool(modifier))
        (self.includes if code == "_include" else self.revincludes).append(include)


CONTROLS: dict[str, Callable[[_Reading, str], None]] = {
    "_count": _Reading._take_count,
    "_sort": _Reading._take_sort,
    "_total": _Reading._take_total,
}


def _include(value: str, name: str, searched: str, *, iterate: bool) -> Include:
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source == EVERY and not rest:
        wanted = Include(searched if name == "_include" and not iterate else EVERY, EVERY, None, iterate)
    else:
        wanted = Include(source, code, target or None, iterate)
        if source not in SEARCHES or not wanted.parameters_of(source):
            raise ParameterUnknown(f"{name} must name a reference parameter, such as Appointment:patient.")
    _starts_right(wanted, name, searched)
    return wanted


def _starts_right(include: Include, name: str, searched: str) -> None:
    if include.iterate:
        return
    if name == "_include" and include.source != searched:
        raise ValueUnreadable(f"_include must start from {searched}, or be _include:iterate.")
    if name == "_revinclude" and include.target not in {None, searched}:
        raise ValueUnreadable(f"_revinclude must point at {searched}, or be _revinclude:iterate.")
