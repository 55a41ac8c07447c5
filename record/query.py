"""A FHIR search request read into conditions, before any SQL is thought of (https://hl7.org/fhir/R4/search.html)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from record import dates, definitions, keys, words
from record.dates import END, Range
from record.failures import ModifierUnknown, ParameterUnknown, SearchTooLarge, ValueUnreadable
from record.ownership import KEPT_APART
from record.parameters import SEARCHES, Kind, Parameter, parameters

USUAL_COUNT = 50
LARGEST_COUNT = 200
MOST_VALUES = 200
MOST_PARAMETERS = 50
PLAIN_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})


class Match(StrEnum):
    """How a text is compared."""

    PREFIX = "starts-with"
    EXACT = "exact"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class AnyKey:
    """At least one of these keys, or with `negated` none of them."""

    parameter: Parameter
    forms: tuple[str, ...]
    negated: bool = False

    @property
    def keys(self) -> list[int]:
        return [keys.exact(self.parameter.type, self.parameter.code, form) for form in self.forms]

    @property
    def drives(self) -> bool:
        """Selective enough to search by."""
        return not self.negated and not self.parameter.broad


@dataclass(frozen=True, slots=True)
class Missing:
    """The parameter has no value, or with `missing` false some value."""

    number: int
    missing: bool


@dataclass(frozen=True, slots=True)
class Dates:
    """At least one of these (prefix, range). `parameter` None stands for _lastUpdated."""

    parameter: Parameter | None
    values: tuple[tuple[str, Range], ...]

    @property
    def main(self) -> bool:
        return self.parameter is not None and SEARCHES[self.parameter.type].date == self.parameter.code


@dataclass(frozen=True, slots=True)
class Words:
    """At least one of these texts, as written by the searcher."""

    places: tuple[int, ...]
    match: Match
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdIn:
    """One of these ids."""

    ids: tuple[str, ...]


Condition = AnyKey | Missing | Dates | Words | IdIn


@dataclass(frozen=True, slots=True)
class Include:
    """Bring along what the reference parameter points at (or, reversed, what points here)."""

    parameter: Parameter
    target: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """A search request of one type, understood."""

    type: str
    conditions: tuple[Condition, ...] = ()
    by_update: bool = False
    """Sorted by _lastUpdated instead of the main date."""
    descending: bool = False
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


class _Reading:
    """One request being read, parameter by parameter."""

    def __init__(self, type_: str, now: datetime) -> None:
        self._type = type_
        self._now = now
        self._conditions: list[Condition] = []
        self._includes: list[Include] = []
        self._revincludes: list[Include] = []
        self._sort = (False, False)
        self._count = USUAL_COUNT
        self._total = False

    def query(self, ignored: tuple[str, ...]) -> Query:
        return Query(
            type=self._type,
            conditions=tuple(self._conditions),
            by_update=self._sort[0],
            descending=self._sort[1],
            count=self._count,
            total=self._total or self._count == 0,
            includes=tuple(self._includes),
            revincludes=tuple(self._revincludes),
            ignored=ignored,
        )

    def take(self, name: str, value: str) -> None:
        code, _, modifier = name.partition(":")
        if not value or "\0" in value:
            raise ValueUnreadable(f"'{_shown(code)}' has no value.")
        control: dict[str, Callable[[str], None]] = {
            "_count": self._take_count,
            "_sort": self._take_sort,
            "_total": self._take_total,
            "_include": self._take_include,
            "_revinclude": self._take_revinclude,
        }
        if code in control:
            if modifier:
                raise ModifierUnknown(f"'{code}' takes no modifier.")
            control[code](value)
        else:
            self._conditions.append(self._condition(code, modifier, value))

    def _take_count(self, value: str) -> None:
        if not re.fullmatch(r"[0-9]{1,6}", value):
            raise ValueUnreadable("_count must be a whole number.")
        self._count = min(int(value), LARGEST_COUNT)

    def _take_sort(self, value: str) -> None:
        date = SEARCHES[self._type].date
        code = value.removeprefix("-")
        offered = [name for name in (date, "_lastUpdated") if name]
        if code not in offered:
            raise ValueUnreadable(f"{self._type} can be sorted by {' or '.join(offered)}, '-' in front for descending.")
        self._sort = (code == "_lastUpdated", value.startswith("-"))

    def _take_total(self, value: str) -> None:
        if value not in {"accurate", "none", "estimate"}:
            raise ValueUnreadable("_total must be accurate, estimate or none.")
        self._total = value != "none"

    def _take_include(self, value: str) -> None:
        include = _include(value, "_include")
        if include.parameter.type != self._type:
            raise ValueUnreadable(f"_include must start from {self._type}.")
        self._includes.append(include)

    def _take_revinclude(self, value: str) -> None:
        include = _include(value, "_revinclude")
        if self._type in KEPT_APART:
            raise ParameterUnknown(f"Nothing comes along with an {self._type}.")
        if include.target not in {None, self._type}:
            raise ValueUnreadable(f"_revinclude must point at {self._type}.")
        self._revincludes.append(include)

    def _condition(self, code: str, modifier: str, value: str) -> Condition:
        if code in {"_id", "_lastUpdated"} and modifier:
            raise ModifierUnknown(f"'{code}' takes no modifier.")
        if code == "_id":
            return IdIn(tuple(_values(value, code)))
        if code == "_lastUpdated":
            return Dates(None, _ranges(value, code, self._now))
        parameter = parameters(self._type).get(code)
        if parameter is None:
            raise ParameterUnknown(f"{self._type} has no search parameter '{_shown(code)}'.")
        if modifier == "missing":
            return Missing(parameter.number, _boolean(value, code))
        return self._of_kind(parameter, modifier, value)

    def _of_kind(self, parameter: Parameter, modifier: str, value: str) -> Condition:
        values = _values(value, parameter.code)
        match parameter.kind, modifier:
            case (Kind.DATE, ""):
                return Dates(parameter, _ranges(value, parameter.code, self._now))
            case (Kind.TOKEN, "" | "not"):
                forms = tuple(_without_implied(parameter, one) for one in values)
                return AnyKey(parameter, forms, negated=modifier == "not")
            case (Kind.TOKEN, "text") if parameter.text:
                return Words(tuple(parameter.places), Match.CONTAINS, tuple(values))
            case (Kind.URI, ""):
                return AnyKey(parameter, tuple(values))
            case (Kind.STRING, "" | "exact" | "contains"):
                return Words(tuple(parameter.places), Match(modifier or Match.PREFIX), tuple(values))
            case (Kind.REFERENCE, "identifier"):
                return AnyKey(parameter, tuple(f":identifier={one}" for one in values))
            case (Kind.REFERENCE, _) if not modifier or modifier in definitions.elements():
                return AnyKey(parameter, tuple(f for one in values for f in _references(parameter, modifier, one)))
        raise ModifierUnknown(f"'{parameter.code}' does not take the modifier ':{_shown(modifier)}'.")


def _shown(name: str) -> str:
    """A parameter's name as it may be quoted back: names only, never something a person typed as a value."""
    return name if re.fullmatch(r"[A-Za-z_.\-]{1,40}", name) else "?"


def _values(text: str, code: str) -> list[str]:
    """The values of an OR list; a backslash keeps the mark after it (https://hl7.org/fhir/R4/search.html#escaping)."""
    parts = re.findall(r"(?:^|,)((?:\\.|[^,\\])*)", text)
    values = [re.sub(r"\\([,|$\\])", r"\1", part) for part in parts]
    if len(values) > MOST_VALUES:
        raise SearchTooLarge(f"'{code}' may list {MOST_VALUES} values.")
    if not all(values):
        raise ValueUnreadable(f"'{code}' lists an empty value.")
    return values


def _without_implied(parameter: Parameter, value: str) -> str:
    """A bare code's system is implied by its element, so a search may name it as well (#token in HL7's page)."""
    system, bar, code = value.rpartition("|")
    implied = bar and all(system in path.systems for path in parameter.paths)
    return code if implied and code else value


def _boolean(value: str, code: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueUnreadable(f"'{code}:missing' must be true or false.")
    return value == "true"


def _references(parameter: Parameter, type_: str, value: str) -> list[str]:
    """The forms a reference value may stand for: a bare id may be of each type the parameter points at."""
    form = keys.reference_form(value)
    if form is None:
        raise ValueUnreadable(f"'{parameter.code}' must be a reference such as Patient/123.")
    if "/" in form or ":" in form or not PLAIN_ID.fullmatch(form):
        return [form]
    targets = (type_,) if type_ else parameter.targets
    if not targets:
        raise ValueUnreadable(f"'{parameter.code}' points at many types: name one, such as Patient/123.")
    return [f"{target}/{form}" for target in targets]


def _ranges(text: str, code: str, now: datetime) -> tuple[tuple[str, Range], ...]:
    return tuple(_range(value, code, now) for value in _values(text, code))


def _range(value: str, code: str, now: datetime) -> tuple[str, Range]:
    prefix = value[:2] if value[:2] in PREFIXES else "eq"
    try:
        # A plus sign that came through a form as a space is still a plus sign.
        range_ = dates.read(value.removeprefix(prefix).replace(" ", "+"))
    except ValueError:
        raise ValueUnreadable(
            f"'{code}' must be a date such as 2026-11-25, with a prefix such as ge at most."
        ) from None
    return prefix, _widened(range_, now) if prefix == "ap" else range_


def _widened(range_: Range, now: datetime) -> Range:
    """About then: a tenth of the distance from today, a day at least, on both sides."""
    distance = max(abs(now - range_.lo) / 10, timedelta(days=1))
    early = range_.lo - distance if range_.lo - dates.BEGINNING > distance else dates.BEGINNING
    return Range(early, range_.hi + distance if END - range_.hi > distance else END)


def _include(value: str, name: str) -> Include:
    type_, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    offered = type_ in SEARCHES and type_ not in KEPT_APART
    parameter = parameters(type_).get(code) if offered else None
    if parameter is None or parameter.kind is not Kind.REFERENCE:
        raise ParameterUnknown(f"{name} must name a reference parameter, such as Appointment:patient.")
    return Include(parameter, target or None)


def compared(text: str, match: Match) -> str:
    """A searcher's text in the form the index holds."""
    return text if match is Match.EXACT else words.plain(text)
