"""What an element at the end of a walk adds to the index rows of its resource, by the kind of its parameters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from record.index import dates, keys, quantities, words
from record.index.dates import UNDATED, Range
from record.index.parameters import Kind

Told = Sequence[tuple[int | None, int | None]]
"""Code and system, as keys, of what a value is told with: one entry for each coding of its group."""
ALONE: Told = ((None, None),)
Adds = Callable[[Any, "Rows"], None]
AddsTold = Callable[[Any, "Rows", Told], None]
UNLIKE_ONE_ANOTHER = frozenset({"Identifier", "ContactPoint", "id", "string"})
"""Tokens that hardly ever come twice: remembering them would only push out what does."""


@dataclass(slots=True)
class Rows:
    """Index rows being gathered; dicts stand for sets that keep their order."""

    keys: set[int] = field(default_factory=set)
    pairs: int = 0
    """How many of the keys are of two values told together."""
    present: set[int] = field(default_factory=set)
    main: Range = UNDATED
    forms: dict[str, list[str]] = field(default_factory=dict)
    """Outright forms of the parameters that anchors are made of."""
    words: dict[tuple[Any, ...], None] = field(default_factory=dict)
    numbers: dict[tuple[Any, ...], None] = field(default_factory=dict)
    moments: dict[tuple[Any, ...], None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One parameter that an element is found by through its exact forms."""

    prefix: str
    number: int
    is_a: str | None = None
    anchor: str | None = None
    """The parameter's name, if anchors are made of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Uses:
    """All of them at one place; compared by identity, so that it is a cheap key of what is remembered."""

    all: tuple[Use, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(use.number for use in self.all)


@dataclass(frozen=True, slots=True)
class _Exact:
    keys: tuple[int, ...]
    present: tuple[int, ...]
    forms: tuple[tuple[str, tuple[str, ...]], ...]


def _exact(uses: Uses, forms: tuple[str, ...], is_a: str | None = None) -> _Exact:
    mine = [use for use in uses.all if use.is_a in {None, is_a}]
    return _Exact(
        tuple(keys.hashed(use.prefix + form) for use in mine for form in forms),
        tuple(use.number for use in mine),
        tuple((use.anchor, tuple(keys.main_forms(forms))) for use in mine if use.anchor),
    )


@lru_cache(16_384)
def _of_coding(uses: Uses, system: str | None, code: str | None) -> _Exact:
    return _exact(uses, keys.coding_forms(system, code))


@lru_cache(16_384)
def _of_reference(uses: Uses, text: str | None, type_: str | None) -> _Exact:
    value = {"reference": text, "type": type_}
    form = keys.reference_form(value)
    return _exact(uses, (form,) if form else (), keys.reference_type(value))


@lru_cache(1024)
def _of_address(uses: Uses, forms: tuple[str, ...]) -> _Exact:
    return _exact(uses, forms)


def _add(exact: _Exact, rows: Rows) -> None:
    rows.keys.update(exact.keys)
    rows.present.update(exact.present)
    for code, forms in exact.forms:
        rows.forms.setdefault(code, []).extend(forms)


def token(type_: str, uses: Uses) -> Adds:
    """Codes, identifiers and booleans."""
    if type_ in UNLIKE_ONE_ANOTHER:
        return lambda value, rows: _add(_exact(uses, tuple(keys.token_forms(value, type_))), rows)
    numbers = uses.numbers

    def add(value: Any, rows: Rows) -> None:
        rows.present.update(numbers)
        for system, code in keys.codings(value, type_):
            _add(_of_coding(uses, system, code), rows)

    return add


def reference(uses: Uses) -> Adds:
    """References, by what they point at and by the identifier they carry."""

    def add(value: Any, rows: Rows) -> None:
        if not isinstance(value, dict):
            _add(_of_address(uses, keys.canonical_forms(value)), rows)
            return
        _add(_of_reference(uses, value.get("reference"), value.get("type")), rows)
        if "identifier" in value:
            named = keys.reference_identifier_forms(value)
            rows.keys.update(_exact(uses, named, keys.reference_type(value)).keys)

    return add


def address(type_: str, uses: Uses) -> Adds:
    """URIs, to the letter; a canonical one without its version too."""

    def add(value: Any, rows: Rows) -> None:
        _add(_of_address(uses, keys.canonical_forms(value) if type_ == "canonical" else (str(value),)), rows)

    return add


def word(type_: str, place: int) -> AddsTold:
    """Texts, plain and as written."""

    def add(value: Any, rows: Rows, told: Told) -> None:
        for text in words.of(value, type_):
            plain, written = words.plain(text), text[: words.LONGEST]
            for code, system in told:
                rows.words[place, code, system, plain, written] = None

    return add


def moment(type_: str, place: int) -> AddsTold:
    """Dates and periods."""

    def add(value: Any, rows: Rows, told: Told) -> None:
        if range_ := dates.of(value, type_):
            for code, system in told:
                rows.moments[place, code, system, range_.lo, range_.hi] = None

    return add


def main_date(type_: str) -> Adds:
    """The date that stands in the row itself."""

    def add(value: Any, rows: Rows) -> None:
        if rows.main is UNDATED and (range_ := dates.of(value, type_)):
            rows.main = range_

    return add


def number(type_: str, place: int) -> AddsTold:
    """Numbers and quantities."""

    def add(value: Any, rows: Rows, told: Told) -> None:
        if found := quantities.of(value, type_):
            for code, system in told:
                unit = (found.system, found.code, found.unit)
                rows.numbers[(place, code, system, found.lo, found.hi, *unit)] = None

    return add


SIDES: Mapping[Kind, Callable[[str, int], AddsTold]] = {
    Kind.STRING: word,
    Kind.DATE: moment,
    Kind.NUMBER: number,
    Kind.QUANTITY: number,
}
"""The kinds whose values stand in side tables."""


def alone(adds: AddsTold) -> Adds:
    """A side row outside any group."""
    return lambda value, rows: adds(value, rows, ALONE)


def present(numbers: Iterable[int]) -> Adds:
    """The parameters have a value."""
    known = frozenset(numbers)
    return lambda value, rows: rows.present.update(known)
