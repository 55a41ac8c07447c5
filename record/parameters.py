"""The search parameters each type is found by: HL7's definitions where HL7 has one, our own where it has none.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from record import definitions, keys
from record.canonical import BASE
from record.ownership import types
from record.paths import Path, compiled

OWN = f"{BASE}/SearchParameter"
DIVISION = "http://fhir.cq.hc/StructureDefinition/hc-mdm-administrativedivision"


class Kind(StrEnum):
    """FHIR's search parameter types that are offered."""

    TOKEN = "token"  # noqa: S105 - FHIR's word
    REFERENCE = "reference"
    STRING = "string"
    DATE = "date"
    URI = "uri"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type."""

    type: str
    code: str
    kind: Kind
    paths: tuple[Path, ...]
    targets: tuple[str, ...]
    """Types a reference may point at, as far as the definition narrows them."""
    url: str
    broad: bool = False
    """Matches a large part of the type, so it never drives a search."""
    text: bool = False
    """The words beside the code are indexed too, for `:text`."""

    @property
    def number(self) -> int:
        return keys.number(self.code)


@dataclass(frozen=True, slots=True)
class Search:
    """How one type is found: its parameters, its main date, and the anchors listed in date order."""

    codes: tuple[str, ...]
    date: str | None = None
    instant: bool = False
    """The main date is an instant, so its range is never longer than a minute."""
    broad: tuple[str, ...] = ("status",)
    text: tuple[str, ...] = ()
    anchors: tuple[tuple[str, ...], ...] = field(default=())


def _codes(words: str) -> tuple[str, ...]:
    return tuple(words.split())


HINTS: Mapping[str, Search] = {
    "Organization": Search(
        _codes("name type identifier address address-city district partof active"), broad=("active", "type")
    ),
    "Location": Search(
        _codes("name identifier organization partof address address-city district status type"),
        broad=("status", "type"),
    ),
    "HealthcareService": Search(
        _codes("name identifier organization location specialty service-type service-category active"),
        broad=("active",),
        text=("specialty", "service-type"),
    ),
    "Practitioner": Search(_codes("name family given identifier gender active phone"), broad=("active", "gender")),
    "PractitionerRole": Search(
        _codes("practitioner organization service location specialty role identifier active date"),
        date="date",
        broad=("active",),
        text=("specialty",),
    ),
    "Schedule": Search(
        _codes("actor date active identifier service-type service-category specialty"), date="date", broad=("active",)
    ),
    "Slot": Search(
        _codes("schedule status start identifier service-type service-category specialty appointment-type"),
        date="start",
        instant=True,
        broad=("status", "appointment-type", "service-category"),
        anchors=(("schedule",), ("schedule", "status")),
    ),
    "Appointment": Search(
        _codes(
            "patient practitioner actor location date status slot identifier service-type service-category specialty "
            "appointment-type part-status reason-code"
        ),
        date="date",
        instant=True,
        broad=("status", "part-status", "appointment-type", "service-category"),
        anchors=(("patient",), ("practitioner",), ("location",)),
    ),
    "Encounter": Search(
        _codes(
            "patient subject appointment status date participant practitioner class identifier service-provider type "
            "diagnosis"
        ),
        date="date",
        broad=("status", "class", "type"),
        anchors=(("patient",), ("practitioner",)),
    ),
    "Communication": Search(
        _codes("subject patient encounter sent received sender recipient status category identifier"),
        date="sent",
        broad=("status", "category"),
        anchors=(("encounter",), ("patient",)),
    ),
    "Condition": Search(
        _codes(
            "patient subject encounter code category clinical-status verification-status recorded-date onset-date "
            "identifier asserter"
        ),
        date="recorded-date",
        broad=("category", "clinical-status", "verification-status"),
        text=("code",),
        anchors=(("patient",), ("encounter",)),
    ),
    "AllergyIntolerance": Search(
        _codes("patient code clinical-status verification-status category type criticality date identifier"),
        date="date",
        broad=("clinical-status", "verification-status", "category", "type", "criticality"),
        text=("code",),
        anchors=(("patient",),),
    ),
    "Observation": Search(
        _codes("patient subject code category status date encounter performer identifier value-concept"),
        date="date",
        broad=("category", "status"),
        text=("code",),
        anchors=(("patient",), ("patient", "code"), ("patient", "category")),
    ),
    "DocumentReference": Search(
        _codes("patient subject type category date status encounter related author identifier description"),
        date="date",
        broad=("status", "category"),
        text=("type",),
        anchors=(("patient",), ("encounter",)),
    ),
    "MedicationRequest": Search(
        _codes(
            "patient subject encounter status authoredon requester medication code intent category priority identifier "
            "group-identifier intended-dispenser"
        ),
        date="authoredon",
        broad=("status", "intent", "category", "priority"),
        text=("code",),
        anchors=(("patient",), ("patient", "status"), ("requester",)),
    ),
    "MedicationDispense": Search(
        _codes(
            "patient subject prescription status whenhandedover whenprepared performer context medication code type "
            "identifier"
        ),
        date="whenhandedover",
        broad=("status", "type"),
        text=("code",),
        anchors=(("patient",),),
    ),
    "Task": Search(
        _codes(
            "patient subject owner status business-status code focus based-on encounter group-identifier requester "
            "modified authored-on identifier intent priority part-of"
        ),
        date="authored-on",
        broad=("status", "business-status", "code", "intent", "priority"),
        anchors=(("owner", "status"), ("owner",), ("patient",)),
    ),
    "Medication": Search(
        _codes("code status ingredient-code ingredient identifier form manufacturer"),
        broad=("status", "form"),
        text=("code", "ingredient-code"),
    ),
    "Patient": Search(
        _codes(
            "identifier name family given birthdate gender phone email telecom address address-city active "
            "general-practitioner organization deceased"
        ),
        date="birthdate",
        broad=("gender", "active", "deceased"),
    ),
    "Provenance": Search(
        _codes("target patient recorded agent agent-type agent-role entity signature-type"),
        date="recorded",
        instant=True,
        broad=("agent-type", "agent-role", "signature-type"),
        anchors=(("target",),),
    ),
    "AuditEvent": Search(_codes("patient date agent entity action type subtype outcome"), date="date", instant=True),
}

_OFFERED = frozenset(kind.value for kind in Kind)


def _all_of(type_: str) -> Search:
    """A type of which nothing more is known is found by all of HL7's parameters."""
    codes = (e["code"] for e in definitions.search_parameters() if type_ in e["base"] and e["type"] in _OFFERED)
    return Search(tuple(codes))


SEARCHES: Mapping[str, Search] = {type_: HINTS.get(type_) or _all_of(type_) for type_ in types()}

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
    ("Patient", "deceased"): (Kind.TOKEN, "Patient.deceased"),
}
"""Parameters HL7 does not define for the type, or defines by an expression that is no plain path."""


@cache
def parameters(type_: str) -> Mapping[str, Parameter]:
    """The parameters this type is found by, by name."""
    search = SEARCHES[type_]
    return {code: _parameter(type_, code, search) for code in search.codes}


def _parameter(type_: str, code: str, search: Search) -> Parameter:
    marks = {"broad": code in search.broad, "text": code in search.text}
    if own := OUR_OWN.get((type_, code)):
        kind, expression = own
        return Parameter(type_, code, kind, compiled(expression, type_), (), f"{OWN}/{type_}-{code}", **marks)
    defined = _defined()[type_, code]
    paths = compiled(str(defined["expression"]), type_)
    kind = Kind(str(defined["type"]))
    targets = _targets(paths, tuple(defined.get("target", ()))) if kind is Kind.REFERENCE else ()
    return Parameter(type_, code, kind, paths, targets, str(defined["url"]), **marks)


def _targets(paths: tuple[Path, ...], listed: tuple[str, ...]) -> tuple[str, ...]:
    narrowed = tuple(path.steps[-1].is_a for path in paths if path.steps[-1].is_a)
    return tuple(name for name in narrowed if name) or listed


@cache
def _defined() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    return {(base, entry["code"]): entry for entry in definitions.search_parameters() for base in entry["base"]}
