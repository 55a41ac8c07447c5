"""What a resource is found by, held against HL7's own expressions on HL7's examples and on made-up elements."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from typing import Any

import orjson
import pytest

from record.index import dates, keys, quantities, words
from record.index.index import Index, index_of
from record.index.parameters import FITS, OUR_OWN, SEARCHES, Kind, Parameter, parameters
from record.index.paths import compiled
from record.splice import decoded
from tests.record import hl7_search, made_up
from tests.record.hl7_search import found_together as together
from tests.record.official import examples, type_of

Resource = dict[str, Any]
EVERY_TYPE = sorted(SEARCHES)


@cache
def _examples(type_: str) -> tuple[Resource, ...]:
    return tuple(decoded(body) for body in examples().values() if type_of(body) == type_)


def _cases(parameter: Parameter) -> Iterator[Resource]:
    yield from _examples(parameter.type)
    yield from made_up.resources(parameter)


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_our_walks_find_what_hl7s_expressions_find(type_: str) -> None:
    """On every example and for every walk, ours and HL7's expression find the same; each parameter finds something."""
    for parameter in parameters(type_).values():
        if parameter.components:
            continue
        every_type = compiled(hl7_search.expression(parameter), type_)
        seen = 0
        for resource in _cases(parameter):
            ours = [value for path in every_type for value in path.values(resource)]
            assert _plain(ours) == _plain(hl7_search.found(parameter, resource)), f"{type_}.{parameter.code}"
            seen += len([value for path in parameter.paths for value in path.values(resource)])
        assert seen, f"{type_}.{parameter.code}"


def test_only_what_compares_with_nothing_is_not_looked_at() -> None:
    """Where HL7's expression also leads to types its kind of parameter cannot compare, those alone are left out."""
    left_out = {
        f"{type_}.{parameter.code}:{path.type}"
        for type_ in SEARCHES
        for parameter in parameters(type_).values()
        if (type_, parameter.code) not in OUR_OWN
        for path in set(compiled(hl7_search.expression(parameter), type_)) - set(parameter.paths)
    }
    assert left_out == {
        "CarePlan.activity-date:string",
        "Consent.source-reference:Attachment",
        "Immunization.date:string",
        "Procedure.date:Age",
        "Procedure.date:Range",
        "Procedure.date:string",
    }


COMPOSITES = [p for type_ in EVERY_TYPE for p in parameters(type_).values() if p.components]


@pytest.mark.parametrize("parameter", COMPOSITES, ids=lambda p: f"{p.type}-{p.code}")
def test_composites_find_what_hl7s_components_find_together(parameter: Parameter) -> None:
    """For each group element, the values HL7 finds beside the token are ours, told with that token alone."""
    seen = 0
    for resource in _cases(parameter):
        pairs = _pairs(parameter, resource)
        index = index_of(resource)
        seen += len(pairs)
        assert (parameter.number in index.present) is bool(pairs)
        if parameter.components[1].kind in {Kind.TOKEN, Kind.REFERENCE}:
            assert _pair_keys(parameter, pairs) <= set(index.keys)
        else:
            assert _told(parameter, index) == {told for pair in pairs for told in _hl7_told(parameter, *pair)}
    assert seen


def _pairs(parameter: Parameter, resource: Resource) -> list[tuple[list[Any], list[Any]]]:
    """What HL7's components find in each group that has both, of the types that can be compared."""
    fits = FITS[parameter.components[1].kind]
    found = [(tokens, [v for v in values if _shape(v) in fits]) for tokens, values in together(parameter, resource)]
    return [pair for pair in found if all(pair)]


def _pair_keys(parameter: Parameter, pairs: Iterable[tuple[list[Any], list[Any]]]) -> set[int]:
    spelt = {f"{one}${two}" for first, second in pairs for one, two in product(_outright(first), _outright(second))}
    return {keys.exact(parameter.type, parameter.code, form) for form in spelt}


def _outright(values: list[Any]) -> list[str]:
    return [form for value in values for form in keys.main_forms(_forms(value, _shape(value)))]


def _shape(value: Any) -> str:
    """The type of a composite's part, by its looks."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "dateTime" if re.match(r"\d{4}-", value) else "string"
    marks = {
        "Reference": {"reference", "identifier"},
        "CodeableConcept": {"coding", "text"},
        "Period": {"start", "end"},
        "Range": {"low", "high"},
        "Quantity": {"value"},
    }
    return next((type_ for type_, parts in marks.items() if parts & value.keys()), "Coding")


def _told(parameter: Parameter, index: Index) -> set[tuple[Any, ...]]:
    """Our rows with their code and system, at the composite's places."""
    rows = [*index.words, *index.numbers, *index.moments]
    return {(row[1], row[2], row[3]) for row in rows if row[0] in parameter.places}


def _hl7_told(parameter: Parameter, tokens: list[Any], values: list[Any]) -> Iterator[tuple[Any, ...]]:
    codings = [coding for token in tokens for coding in keys.codings(token, _shape(token)) if coding[1]]
    for value, (system, code) in product(values, codings or [(None, None)]):
        for found in _compared(parameter.components[1].kind, value):
            yield (code and keys.key(code), system and keys.key(system), found)


def _compared(kind: Kind, value: Any) -> list[Any]:
    if kind is Kind.STRING:
        return [words.plain(value)]
    range_, measured = dates.of(value, _shape(value)), quantities.of(value, _shape(value))
    if kind is Kind.DATE:
        return [range_.lo] if range_ else []
    return [measured.lo] if measured else []


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_the_one_walk_gathers_what_each_parameters_own_walk_finds(type_: str) -> None:
    """The index rows of every example and made-up resource are those of its parameters, one by one."""
    plain = [parameter for parameter in parameters(type_).values() if not parameter.components]
    for resource in [*_examples(type_), *(one for p in parameters(type_).values() for one in made_up.resources(p))]:
        index = index_of(resource)
        values = {p.code: [(value, path) for path in p.paths for value in path.values(resource)] for p in plain}
        exact = {
            keys.exact(type_, p.code, form)
            for p in plain
            for value, path in values[p.code]
            for form in _exact_forms(p, value, path.type)
        }
        assert set(index.keys) == exact | set(index.anchors) | _of_composites(type_, resource)
        assert set(index.present) & {p.number for p in plain} == {p.number for p in plain if values[p.code]}
        _check_sides(type_, index, plain, values)


def _of_composites(type_: str, resource: Resource) -> set[int]:
    return {
        key
        for p in parameters(type_).values()
        if p.components and p.components[1].kind in {Kind.TOKEN, Kind.REFERENCE}
        for key in _pair_keys(p, _pairs(p, resource))
    }


def _exact_forms(parameter: Parameter, value: Any, type_: str) -> Iterable[str]:
    kinds = {Kind.TOKEN, Kind.REFERENCE, Kind.URI}
    return _forms(value, type_) if parameter.kind in kinds else ()


def _forms(value: Any, type_: str) -> Iterable[str]:
    if type_ == "Reference":
        return keys.reference_forms(value)
    if type_ == "canonical":
        return keys.canonical_forms(value)
    return [value] if type_ in {"uri", "url"} else keys.token_forms(value, type_)


def _check_sides(type_: str, index: Index, plain: list[Parameter], values: dict[str, list[tuple[Any, Any]]]) -> None:
    main = SEARCHES[type_].date
    texts, measured, times = set(), set(), set()
    for p in plain:
        for value, path in values[p.code]:
            if p.kind is Kind.STRING or p.text:
                texts |= {(path.place, words.plain(text), text) for text in words.of(value, path.type)}
            elif p.kind in {Kind.NUMBER, Kind.QUANTITY} and (found := quantities.of(value, path.type)):
                measured.add((path.place, found.lo, found.hi, found.system, found.code, found.unit))
            elif p.kind is Kind.DATE and p.code != main and (range_ := dates.of(value, path.type)):
                times.add((path.place, range_.lo, range_.hi))
    assert {(row[0], *row[3:]) for row in index.words} == texts
    assert {(row[0], *row[3:]) for row in index.numbers} == measured
    assert {(row[0], *row[3:]) for row in index.moments} == times
    if main:
        ranges = [range_ for value, path in values[main] if (range_ := dates.of(value, path.type))]
        assert index.main == (ranges[0] if ranges else dates.UNDATED)


def _plain(values: list[Any]) -> set[bytes]:
    return {orjson.dumps(value if isinstance(value, dict) else str(value), default=str) for value in values}
