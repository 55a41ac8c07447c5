"""The SearchParameter resources of the parameters that are really indexed (https://hl7.org/fhir/R4/searchparameter.html).

A parameter HL7 defines keeps HL7's address; one of our own has ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from record import definitions
from record.conformance.capability import COMMON
from record.index.parameters import OUR_OWN, Kind, Parameter, parameters
from record.ownership import KEPT_APART, types

HL7 = "http://hl7.org/fhir/SearchParameter/"
COMPARATORS = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
COMPARED = frozenset({"date", "number", "quantity"})
MODIFIERS: Mapping[str, tuple[str, ...]] = {
    "token": ("missing", "not"),
    "string": ("missing", "exact", "contains"),
    "reference": ("missing", "identifier", "type"),
}


@cache
def search_parameters() -> Sequence[Mapping[str, Any]]:
    """Every search parameter of every type the hospital keeps, one resource for each address."""
    by_url: dict[str, list[Parameter]] = {}
    for type_ in types():
        for parameter in parameters(type_).values():
            by_url.setdefault(parameter.url, []).append(parameter)
    return [*_of_every_type(by_url), *(_resource(url, shared) for url, shared in sorted(by_url.items()))]


def _of_every_type(listed: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
    """The parameters that every type has and no index row of its own holds."""
    for code, kind, name in COMMON:
        if (url := HL7 + name) not in listed:
            yield _described(url, code, kind, ["Resource"], str(_defined()[url]["expression"]))


def _resource(url: str, shared: Sequence[Parameter]) -> Mapping[str, Any]:
    one, bases = shared[0], sorted({parameter.type for parameter in shared})
    defined = _defined().get(url, {})
    expression = defined.get("expression") or OUR_OWN[one.type, one.code][1]
    found = _described(url, one.code, one.kind.value, bases, str(expression))
    if modifiers := list(_modifiers(shared)):
        found["modifier"] = modifiers
    if one.kind is Kind.REFERENCE and (targets := sorted({t for p in shared for t in p.targets})):
        found["target"] = targets
    if component := defined.get("component"):
        found["component"] = component
    return found


def _modifiers(shared: Sequence[Parameter]) -> Iterator[str]:
    """Those that every type takes which has the parameter; types that are kept apart take none."""
    listed = [parameter for parameter in shared if parameter.type not in KEPT_APART]
    if listed:
        yield from ("missing", *MODIFIERS.get(listed[0].kind, ()))
        if all(parameter.text for parameter in listed):
            yield "text"
        if all(any(path.type == "Identifier" for path in parameter.paths) for parameter in listed):
            yield "ofType"


def _described(url: str, code: str, kind: str, bases: Sequence[str], expression: str) -> dict[str, Any]:
    id_ = url.rpartition("/")[2]
    found: dict[str, Any] = {
        "resourceType": "SearchParameter",
        "id": id_,
        "url": url,
        "name": name_of(id_),
        "status": "active",
        "description": f"Finds {', '.join(bases)} by {code}.",
        "code": code,
        "base": list(bases),
        "type": kind,
        "expression": expression,
        "xpathUsage": "normal",
        "multipleOr": True,
        "multipleAnd": True,
    }
    if kind in COMPARED:
        found["comparator"] = list(COMPARATORS)
    return found


def name_of(id: str) -> str:
    """A name programs may use, made of an id: `clinical-patient` -> `ClinicalPatient`."""
    return "".join(part[:1].upper() + part[1:] for part in id.replace(".", "-").split("-"))


@cache
def _defined() -> Mapping[str, Mapping[str, Any]]:
    return {str(entry["url"]): entry for entry in definitions.search_parameters()}
