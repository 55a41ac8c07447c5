"""What a search asks of a resource, understood and ready to be said in SQL (https://hl7.org/fhir/R4/search.html)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from record.index import keys
from record.index.dates import Range
from record.index.parameters import SEARCHES, Parameter


class Match(StrEnum):
    """How a text is compared."""

    PREFIX = "starts-with"
    EXACT = "exact"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class AnyKey:
    """At least one of these exact values, or with `negated` none of them."""

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
    """At least one of these (prefix, range), on the main date; `parameter` None stands for _lastUpdated."""

    parameter: Parameter | None
    values: tuple[tuple[str, Range], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A text as the searcher wrote it."""

    match: Match
    text: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, as a range with its prefix."""

    prefix: str
    range: Range


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with its prefix: `inside` is what it may mean as written, half-open; a unit where one was named."""

    prefix: str
    value: Decimal
    inside: tuple[Decimal, Decimal]
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """The code beside a value in a composite. No `system`: any; an empty one: none at all."""

    code: str
    system: str | None


Compared: TypeAlias = Text | Moment | Amount


@dataclass(frozen=True, slots=True)
class Beside:
    """At least one of these values in a side table, each beside a code where the parameter is a composite."""

    parameter: Parameter
    values: tuple[tuple[Coded | None, Compared], ...]

    @property
    def table(self) -> str:
        return TABLES[type(self.values[0][1])]


TABLES: Mapping[type[Text] | type[Moment] | type[Amount], str] = {Text: "word", Moment: "moment", Amount: "number"}


@dataclass(frozen=True, slots=True)
class IdIn:
    """One of these ids."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The reference points at a resource of one of these types that fits."""

    parameter: Parameter
    targets: tuple[tuple[str, "Criterion"], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource that fits points here, at a resource of `type`, by this reference."""

    parameter: Parameter
    criterion: "Criterion"
    type: str


Criterion: TypeAlias = AnyKey | Missing | Dates | Beside | IdIn | Chain | Has


def is_main(parameter: Parameter) -> bool:
    """Whether this is the date its type is listed by, which stands in the row itself."""
    return SEARCHES[parameter.type].date == parameter.code
