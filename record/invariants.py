"""HL7's invariants of the types kept here, by hand: those whose breach is an error.

Each stands under the type or element it belongs to. https://hl7.org/fhir/R4/conformance-rules.html#constraints;
the tests compare every one with HL7's own FHIRPath expression.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from record import dates, definitions, narrative

UCUM = "http://unitsofmeasure.org"
ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
UNTIMED_STATES = frozenset({"proposed", "cancelled", "waitlist"})

Node = Mapping[str, Any]


class Whole:
    """The outermost resource: what `#` references may mean."""

    def __init__(self, root: Node) -> None:
        self.root = root

    @cached_property
    def contained_ids(self) -> frozenset[str]:
        return frozenset(str(inner.get("id")) for inner in self.root.get("contained", ()))

    @cached_property
    def named(self) -> frozenset[str]:
        """Every text in the resource that may name a contained one."""
        return frozenset(text for text in _texts(self.root) if text.startswith("#"))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _texts(inner)


@dataclass(frozen=True, slots=True)
class Invariant:
    """HL7's key, what it says, and whether it holds for a node."""

    key: str
    says: str
    holds: Callable[[Node, Whole], bool]


def _has(node: Node, *names: str) -> bool:
    """Whether one of the elements is there, with a value or an extension in its place."""
    return any(name in node or f"_{name}" in node for name in names)


def _choice(node: Node, name: str) -> bool:
    """Whether some kind of a choice such as `value[x]` is there."""
    return any(key.lstrip("_").startswith(name) and key.lstrip("_")[len(name) :][:1].isupper() for key in node)


def _coded(concept: Node | None, system: str, *codes: str) -> bool:
    codings = (concept or {}).get("coding", ())
    return any(coding.get("system") == system and coding.get("code") in codes for coding in codings)


def _in_order(first: str | None, second: str | None) -> bool:
    """Whether a date is not after another; undecided precisions count as in order."""
    if not (first and second):
        return True
    try:
        return dates.read(first).lo < dates.read(second).hi
    except ValueError:
        return True


def _at_most(low: Node | None, high: Node | None) -> bool:
    """Whether a quantity is not above another of the same unit."""
    if not low or not high or low.get("code", low.get("unit")) != high.get("code", high.get("unit")):
        return True
    return "value" not in low or "value" not in high or bool(low["value"] <= high["value"])


def _ref_1(node: Node, whole: Whole) -> bool:
    reference = node.get("reference")
    return (
        not isinstance(reference, str)
        or not reference.startswith("#")
        or (reference == "#" or reference[1:] in whole.contained_ids)
    )


def _dom_3(node: Node, whole: Whole) -> bool:
    if node is not whole.root:
        return True
    return all(f"#{inner.get('id')}" in whole.named or "#" in set(_texts(inner)) for inner in node.get("contained", ()))


def _dom_4(node: Node, whole: Whole) -> bool:
    metas = [inner.get("meta", {}) for inner in node.get("contained", ())]
    return not any("versionId" in meta or "lastUpdated" in meta for meta in metas)


DOMAIN = (
    Invariant(
        "dom-2",
        "a contained resource may not contain another.",
        lambda node, _: not any("contained" in inner for inner in node.get("contained", ())),
    ),
    Invariant("dom-3", "a contained resource must be referred to from the resource.", _dom_3),
    Invariant("dom-4", "a contained resource has no versionId and no lastUpdated.", _dom_4),
    Invariant(
        "dom-5",
        "a contained resource has no security label.",
        lambda node, _: not any("security" in inner.get("meta", {}) for inner in node.get("contained", ())),
    ),
)


def _appointment_times(node: Node, _: Whole) -> bool:
    return (_has(node, "start") and _has(node, "end")) or node.get("status") in UNTIMED_STATES


def _abated(node: Node, _: Whole) -> bool:
    ended = _coded(node.get("clinicalStatus"), CONDITION_CLINICAL, "resolved", "remission", "inactive")
    return not _choice(node, "abatement") or ended


def _obs_7(node: Node, _: Whole) -> bool:
    own = [(c.get("system"), c.get("code")) for c in node.get("code", {}).get("coding", ())]
    inner = (c for part in node.get("component", ()) for c in part.get("code", {}).get("coding", ()))
    return not _choice(node, "value") or not any((c.get("system"), c.get("code")) in own for c in inner)


def _no_home(node: Node, name: str) -> bool:
    return not any(part.get("use") == "home" for part in node.get(name, ()))


def _ratio(node: Node, _: Whole) -> bool:
    whole = "numerator" in node and "denominator" in node
    neither = "numerator" not in node and "denominator" not in node
    return whole or (neither and "extension" in node)


def _measured(node: Node) -> bool:
    """A number of a kind of quantity has a unit code, from UCUM."""
    return ("code" in node or "value" not in node) and node.get("system", UCUM) == UCUM


def _tim_9(node: Node, _: Whole) -> bool:
    meals = {"C", "CM", "CD", "CV"}
    return "offset" not in node or ("when" in node and not any(when in meals for when in node["when"]))


def _unsigned(node: Node, name: str) -> bool:
    return name not in node or bool(node[name] >= 0)


OWN: Mapping[str, tuple[Invariant, ...]] = {
    "AllergyIntolerance": (
        Invariant(
            "ait-1",
            "clinicalStatus must be there unless verificationStatus is entered-in-error.",
            lambda n, _: (
                _coded(n.get("verificationStatus"), ALLERGY_VERIFICATION, "entered-in-error") or "clinicalStatus" in n
            ),
        ),
        Invariant(
            "ait-2",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n, _: (
                not _coded(n.get("verificationStatus"), ALLERGY_VERIFICATION, "entered-in-error")
                or "clinicalStatus" not in n
            ),
        ),
    ),
    "Appointment": (
        Invariant("app-2", "give start and end, or neither.", lambda n, _: _has(n, "start") == _has(n, "end")),
        Invariant("app-3", "only proposed, cancelled or waitlisted ones may lack start and end.", _appointment_times),
        Invariant(
            "app-4",
            "cancelationReason goes with the status cancelled or noshow.",
            lambda n, _: "cancelationReason" not in n or n.get("status") in {"cancelled", "noshow"},
        ),
    ),
    "Appointment.participant": (
        Invariant("app-1", "name the participant's type or actor.", lambda n, _: _has(n, "type", "actor")),
    ),
    "AuditEvent.entity": (
        Invariant(
            "sev-1", "give a name or a query, not both.", lambda n, _: not (_has(n, "name") and _has(n, "query"))
        ),
    ),
    "Condition": (
        Invariant("con-4", "an abated condition is resolved, in remission or inactive.", _abated),
        Invariant(
            "con-5",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n, _: (
                not _coded(n.get("verificationStatus"), CONDITION_VERIFICATION, "entered-in-error")
                or "clinicalStatus" not in n
            ),
        ),
    ),
    "Condition.stage": (
        Invariant("con-1", "a stage has a summary or an assessment.", lambda n, _: _has(n, "summary", "assessment")),
    ),
    "Condition.evidence": (
        Invariant("con-2", "evidence has a code or details.", lambda n, _: _has(n, "code", "detail")),
    ),
    "MedicationDispense": (
        Invariant(
            "mdd-1",
            "whenHandedOver may not be before whenPrepared.",
            lambda n, _: _in_order(n.get("whenPrepared"), n.get("whenHandedOver")),
        ),
    ),
    "Observation": (
        Invariant(
            "obs-6",
            "dataAbsentReason goes without a value.",
            lambda n, _: "dataAbsentReason" not in n or not _choice(n, "value"),
        ),
        Invariant("obs-7", "a component may not repeat the code of an observation that has a value.", _obs_7),
    ),
    "Observation.referenceRange": (
        Invariant("obs-3", "give low, high or text.", lambda n, _: _has(n, "low", "high", "text")),
    ),
    "Organization": (
        Invariant("org-1", "give a name or an identifier.", lambda n, _: _has(n, "identifier", "name")),
        Invariant("org-2", "an organization's address is never of use home.", lambda n, _: _no_home(n, "address")),
        Invariant("org-3", "an organization's telecom is never of use home.", lambda n, _: _no_home(n, "telecom")),
    ),
    "Patient.contact": (
        Invariant(
            "pat-1",
            "give the contact's name, telecom, address or organization.",
            lambda n, _: _has(n, "name", "telecom", "address", "organization"),
        ),
    ),
    "Task": (
        Invariant(
            "inv-1",
            "lastModified may not be before authoredOn.",
            lambda n, _: _in_order(n.get("authoredOn"), n.get("lastModified")),
        ),
    ),
}

DATATYPES: Mapping[str, tuple[Invariant, ...]] = {
    "Age": (
        Invariant(
            "age-1",
            "an age is positive, with a UCUM code.",
            lambda n, _: _measured(n) and ("value" not in n or n["value"] > 0),
        ),
    ),
    "Attachment": (
        Invariant("att-1", "data needs a contentType.", lambda n, _: not _has(n, "data") or _has(n, "contentType")),
    ),
    "ContactPoint": (
        Invariant("cpt-2", "a value needs a system.", lambda n, _: not _has(n, "value") or _has(n, "system")),
    ),
    "Count": (
        Invariant(
            "cnt-3",
            "a count is a whole number of the unit 1.",
            lambda n, _: _measured(n) and n.get("code", "1") == "1" and float(n.get("value", 0)).is_integer(),
        ),
    ),
    "Distance": (Invariant("dis-1", "a distance has a UCUM code.", lambda n, _: _measured(n)),),
    "Duration": (
        Invariant(
            "drt-1",
            "a duration's code is of UCUM and has a value.",
            lambda n, _: "code" not in n or (n.get("system") == UCUM and "value" in n),
        ),
    ),
    "Expression": (
        Invariant("exp-1", "give an expression or a reference.", lambda n, _: _has(n, "expression", "reference")),
    ),
    "Extension": (
        Invariant(
            "ext-1",
            "an extension has a value or further extensions, not both.",
            lambda n, _: _has(n, "extension") != _choice(n, "value"),
        ),
    ),
    "Narrative": (
        Invariant(
            "txt-1",
            "the text may hold plain formatting only, and must say something.",
            lambda n, _: "div" not in n or (isinstance(n["div"], str) and narrative.is_plain(n["div"])),
        ),
    ),
    "Period": (
        Invariant("per-1", "start may not be after end.", lambda n, _: _in_order(n.get("start"), n.get("end"))),
    ),
    "Quantity": (Invariant("qty-3", "a code needs a system.", lambda n, _: not _has(n, "code") or _has(n, "system")),),
    "Range": (Invariant("rng-2", "low may not be above high.", lambda n, _: _at_most(n.get("low"), n.get("high"))),),
    "Ratio": (Invariant("rat-1", "give numerator and denominator.", _ratio),),
    "Reference": (Invariant("ref-1", "a '#' reference must name a contained resource.", _ref_1),),
    "Timing.repeat": (
        Invariant(
            "tim-1", "a duration needs its unit.", lambda n, _: not _has(n, "duration") or _has(n, "durationUnit")
        ),
        Invariant("tim-2", "a period needs its unit.", lambda n, _: not _has(n, "period") or _has(n, "periodUnit")),
        Invariant("tim-4", "a duration is not negative.", lambda n, _: _unsigned(n, "duration")),
        Invariant("tim-5", "a period is not negative.", lambda n, _: _unsigned(n, "period")),
        Invariant("tim-6", "periodMax needs a period.", lambda n, _: not _has(n, "periodMax") or _has(n, "period")),
        Invariant(
            "tim-7", "durationMax needs a duration.", lambda n, _: not _has(n, "durationMax") or _has(n, "duration")
        ),
        Invariant("tim-8", "countMax needs a count.", lambda n, _: not _has(n, "countMax") or _has(n, "count")),
        Invariant("tim-9", "an offset goes with a moment of the day that is no meal.", _tim_9),
        Invariant(
            "tim-10", "give timeOfDay or when, not both.", lambda n, _: not (_has(n, "timeOfDay") and _has(n, "when"))
        ),
    ),
}


@cache
def invariants_of(kind: str) -> tuple[Invariant, ...]:
    """The invariants of a type, a backbone element or a resource; every resource has those of DomainResource."""
    own = DATATYPES.get(kind) or OWN.get(kind, ())
    return (*DOMAIN, *own) if "contained" in definitions.elements().get(kind, ()) else own
