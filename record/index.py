"""What a resource can be found by, computed once when it is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from record import dates, keys, words
from record.dates import UNDATED, Range
from record.parameters import SEARCHES, Kind, Parameter, parameters

Value = tuple[Any, str]
"""A value and its FHIR type."""


@dataclass(frozen=True, slots=True)
class Index:
    """The index rows of one version of one resource."""

    keys: tuple[int, ...]
    """Every exact key, those of the declared anchors included."""
    present: tuple[int, ...]
    """Numbers of the parameters that have a value."""
    main: Range
    anchors: tuple[int, ...]
    words: tuple[tuple[int, str, str], ...]
    """Parameter number, plain text, text as written."""
    moments: tuple[tuple[int, datetime, datetime], ...]


NOTHING = Index((), (), UNDATED, (), (), ())


def index_of(resource: Mapping[str, Any]) -> Index:
    """The index rows of a resource of a declared type."""
    type_ = str(resource["resourceType"])
    found = {p.code: (p, _values(p, resource)) for p in parameters(type_).values()}
    forms = {code: _forms(parameter, values) for code, (parameter, values) in found.items()}
    anchors = _anchors(type_, forms)
    exact = {keys.exact(type_, code, form) for code, spelt in forms.items() for form in spelt}
    main_code = SEARCHES[type_].date
    return Index(
        keys=tuple(exact | set(anchors)),
        present=tuple(parameter.number for parameter, values in found.values() if values),
        main=_main(found[main_code][1]) if main_code else UNDATED,
        anchors=anchors,
        words=tuple(dict.fromkeys(word for parameter, values in found.values() for word in _words(parameter, values))),
        moments=tuple(
            (parameter.number, moment.lo, moment.hi)
            for parameter, values in found.values()
            if parameter.kind is Kind.DATE and parameter.code != main_code
            for moment in _moments(values)
        ),
    )


def _values(parameter: Parameter, resource: Any) -> list[Value]:
    return [(value, path.type) for path in parameter.paths for value in path.values(resource)]


def _forms(parameter: Parameter, values: Iterable[Value]) -> list[str]:
    match parameter.kind:
        case Kind.TOKEN:
            return [form for value, type_ in values for form in keys.token_forms(value, type_)]
        case Kind.REFERENCE:
            return [form for value, _ in values for form in keys.reference_forms(value)]
        case Kind.URI:
            return [str(value) for value, _ in values]
    return []


def _words(parameter: Parameter, values: Iterable[Value]) -> list[tuple[int, str, str]]:
    if parameter.kind is not Kind.STRING and not parameter.text:
        return []
    texts = [text for value, type_ in values for text in words.of(value, type_)]
    return [(parameter.number, words.plain(text), text[: words.LONGEST]) for text in texts]


def _moments(values: Iterable[Value]) -> list[Range]:
    return [moment for value, type_ in values if (moment := dates.of(value, type_))]


def _main(values: Iterable[Value]) -> Range:
    return next(iter(_moments(values)), UNDATED)


def _anchors(type_: str, forms: Mapping[str, list[str]]) -> tuple[int, ...]:
    """Keys of the declared anchors, singles and pairs; by outright forms alone."""
    anchors: dict[int, None] = {}
    for codes in SEARCHES[type_].anchors:
        for spelt in product(*(keys.main_forms(forms[code]) for code in codes)):
            anchors[anchor_key(type_, tuple(zip(codes, spelt, strict=True)))] = None
    return tuple(anchors)


def anchor_key(type_: str, parts: tuple[tuple[str, str], ...]) -> int:
    """The key of an anchor of one parameter or two."""
    if len(parts) == 1:
        return keys.exact(type_, *parts[0])
    return keys.pair(type_, *parts)
