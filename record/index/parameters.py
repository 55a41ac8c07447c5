"""The search parameters each type is found by: HL7's definitions where HL7 has one, our own where it has none.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

from record import definitions
from record.canonical import BASE
from record.index import keys
from record.index.hints import ALWAYS_BROAD, HINTS, Search
from record.index.paths import Path, compiled, inside
from record.ownership import KEPT_APART, types

OWN = f"{BASE}/SearchParameter"
DIVISION = "http://fhir.cq.hc/StructureDefinition/hc-mdm-administrativedivision"


class Kind(StrEnum):
    """FHIR's search parameter types that are offered."""

    TOKEN = "token"  # noqa: S105 - FHIR's word
    REFERENCE = "reference"
    STRING = "string"
    DATE = "date"
    URI = "uri"
    NUMBER = "number"
    QUANTITY = "quantity"
    COMPOSITE = "composite"


QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "Money", "Range", "SampledData"})
FITS: Mapping[Kind, frozenset[str]] = {
    Kind.TOKEN: frozenset(
        {"CodeableConcept", "Coding", "Identifier", "ContactPoint", "boolean", "code", "id", "string"}
    ),
    Kind.REFERENCE: frozenset({"Reference", "canonical", "uri"}),
    Kind.STRING: frozenset({"HumanName", "Address", "string", "markdown"}),
    Kind.DATE: frozenset({"date", "dateTime", "instant", "Period", "Timing"}),
    Kind.URI: frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    Kind.NUMBER: frozenset({"decimal", "integer", "positiveInt", "unsignedInt", "Range"}),
    Kind.QUANTITY: QUANTITIES,
}
"""The data types a parameter of a kind compares; where an element may be of another type, that is not looked at."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite parameter."""

    code: str
    kind: Kind
    paths: tuple[Path, ...]
    """From the group element; a path's `root` says from which."""

    @property
    def places(self) -> list[int]:
        return [path.place for path in self.paths]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type."""

    type: str
    code: str
    kind: Kind
    paths: tuple[Path, ...]
    """Of a composite: to its group elements."""
    targets: tuple[str, ...]
    """Types a reference may point at, as far as the definition narrows them."""
    url: str
    broad: bool = False
    """Matches a large part of the type, so it never drives a search."""
    text: bool = False
    """The words beside the code are indexed too, for `:text`."""
    components: tuple[Component, ...] = ()
    """Of a composite: a token, and what is compared beside it."""

    @property
    def number(self) -> int:
        return keys.number(self.code)

    @property
    def places(self) -> list[int]:
        """Where its rows stand in the side tables; those of a composite are of what stands beside its token."""
        return self.components[1].places if self.components else [path.place for path in self.paths]


OUR_OWN: Mapping[tuple[str, str], tuple[Kind, str]] = {
    ("Organization", "district"): (
        Kind.TOKEN,
        f"Organization.extension('{DIVISION}').value | Organization.address.extension('{DIVISION}').value",
    ),
    ("Location", "district"): (
        Kind.TOKEN,
        f"Location.extension('{DIVISION}').value | Location.address.extension('{DIVISION}').value",
    ),
    ("MedicationRequest", "group-identifier"): (Kind.TOKEN, "MedicationRequest.groupIdentifier"),
}
"""Parameters HL7 does not define for the type."""

COMMON = ("_tag", "_profile", "_security", "_source")
_OFFERED = frozenset(kind.value for kind in Kind)


def _search(type_: str) -> Search:
    """The type's hint with the names of all its parameters."""
    hint = HINTS.get(type_, Search())
    if hint.codes:
        return hint
    hl7 = (e["code"] for e in definitions.search_parameters() if type_ in e["base"] and e["type"] in _OFFERED)
    own = (code for base, code in OUR_OWN if base == type_)
    return replace(hint, codes=(*hl7, *own, *COMMON))


SEARCHES: Mapping[str, Search] = {type_: _search(type_) for type_ in types()}


@cache
def parameters(type_: str) -> Mapping[str, Parameter]:
    """The parameters this type is found by, by name."""
    return {code: _parameter(type_, code) for code in SEARCHES[type_].codes}


def _parameter(type_: str, code: str) -> Parameter:
    defined = _definition(type_, code)
    kind = Kind(defined["type"])
    paths = _fitting(kind, compiled(defined["expression"], type_))
    search = SEARCHES[type_]
    return Parameter(
        type_,
        code,
        kind,
        paths,
        _targets(paths, tuple(defined.get("target", ()))) if kind is Kind.REFERENCE else (),
        defined["url"],
        broad=code in search.broad or (type_ not in KEPT_APART and _is_broad(code, paths)),
        text=code in search.text,
        components=tuple(_component(part, paths) for part in defined.get("component", ())),
    )


def _definition(type_: str, code: str) -> Mapping[str, Any]:
    if own := OUR_OWN.get((type_, code)):
        kind, expression = own
        return {"type": kind, "expression": expression, "url": f"{OWN}/{type_}-{code}"}
    return _defined()[("Resource" if code in COMMON else type_), code]


def _fitting(kind: Kind, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(path for path in paths if kind is Kind.COMPOSITE or path.type in FITS[kind])


def _is_broad(code: str, paths: tuple[Path, ...]) -> bool:
    return code in ALWAYS_BROAD or all(path.type == "boolean" or path.systems for path in paths)


def _targets(paths: tuple[Path, ...], listed: tuple[str, ...]) -> tuple[str, ...]:
    narrowed = tuple(path.steps[-1].is_a for path in paths if path.steps[-1].is_a)
    return tuple(name for name in narrowed if name) or listed


def _component(part: Mapping[str, Any], groups: tuple[Path, ...]) -> Component:
    defined = _by_url()[part["definition"]]
    paths = tuple(path for group in groups for path in inside(group, part["expression"]))
    kind = Kind(defined["type"])
    if not _fitting(kind, paths):
        # HL7 gives the two parts of DocumentReference's `relationship` each other's definition.
        kind = next(kind for kind in FITS if _fitting(kind, paths))
    return Component(defined["code"], kind, _fitting(kind, paths))


@cache
def _defined() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    return {(base, entry["code"]): entry for entry in definitions.search_parameters() for base in entry["base"]}


@cache
def _by_url() -> Mapping[str, Mapping[str, Any]]:
    return {entry["url"]: entry for entry in definitions.search_parameters()}
