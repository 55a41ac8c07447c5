"""HL7's invariants of the types kept here, by hand: those whose breach is an error.

Each stands under the type or element it belongs to. https://hl7.org/fhir/R4/conformance-rules.html#constraints;
the tests compare every one with HL7's own FHIRPath expression.
"""

from collections.abc import Mapping
from functools import cache

from record import definitions
from record.datatype_invariants import DATATYPES
from record.invariant import Invariant, Node, Whole, choice, coded, has, in_order, texts

ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
UNTIMED_STATES = frozenset({"proposed", "cancelled", "waitlist"})


def _dom_3(node: Node, whole: Whole) -> bool:
    if node is not whole.root:
        return True
    return all(f"#{inner.get('id')}" in whole.named or "#" in set(texts(inner)) for inner in node.get("contained", ()))


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
    return (has(node, "start") and has(node, "end")) or node.get("status") in UNTIMED_STATES


def _abated(node: Node, _: Whole) -> bool:
    ended = coded(node.get("clinicalStatus"), CONDITION_CLINICAL, "resolved", "remission", "inactive")
    return not choice(node, "abatement") or ended


def _obs_7(node: Node, _: Whole) -> bool:
    own = [(c.get("system"), c.get("code")) for c in node.get("code", {}).get("coding", ())]
    inner = (c for part in node.get("component", ()) for c in part.get("code", {}).get("coding", ()))
    return not choice(node, "value") or not any((c.get("system"), c.get("code")) in own for c in inner)


def _no_home(node: Node, name: str) -> bool:
    return not any(part.get("use") == "home" for part in node.get(name, ()))


OWN: Mapping[str, tuple[Invariant, ...]] = {
    "AllergyIntolerance": (
        Invariant(
            "ait-1",
            "clinicalStatus must be there unless verificationStatus is entered-in-error.",
            lambda n, _: (
                coded(n.get("verificationStatus"), ALLERGY_VERIFICATION, "entered-in-error") or "clinicalStatus" in n
            ),
        ),
        Invariant(
            "ait-2",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n, _: (
                not coded(n.get("verificationStatus"), ALLERGY_VERIFICATION, "entered-in-error")
                or "clinicalStatus" not in n
            ),
        ),
    ),
    "Appointment": (
        Invariant("app-2", "give start and end, or neither.", lambda n, _: has(n, "start") == has(n, "end")),
        Invariant("app-3", "only proposed, cancelled or waitlisted ones may lack start and end.", _appointment_times),
        Invariant(
            "app-4",
            "cancelationReason goes with the status cancelled or noshow.",
            lambda n, _: "cancelationReason" not in n or n.get("status") in {"cancelled", "noshow"},
        ),
    ),
    "Appointment.participant": (
        Invariant("app-1", "name the participant's type or actor.", lambda n, _: has(n, "type", "actor")),
    ),
    "AuditEvent.entity": (
        Invariant("sev-1", "give a name or a query, not both.", lambda n, _: not (has(n, "name") and has(n, "query"))),
    ),
    "Condition": (
        Invariant("con-4", "an abated condition is resolved, in remission or inactive.", _abated),
        Invariant(
            "con-5",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n, _: (
                not coded(n.get("verificationStatus"), CONDITION_VERIFICATION, "entered-in-error")
                or "clinicalStatus" not in n
            ),
        ),
    ),
    "Condition.stage": (
        Invariant("con-1", "a stage has a summary or an assessment.", lambda n, _: has(n, "summary", "assessment")),
    ),
    "Condition.evidence": (
        Invariant("con-2", "evidence has a code or details.", lambda n, _: has(n, "code", "detail")),
    ),
    "MedicationDispense": (
        Invariant(
            "mdd-1",
            "whenHandedOver may not be before whenPrepared.",
            lambda n, _: in_order(n.get("whenPrepared"), n.get("whenHandedOver")),
        ),
    ),
    "Observation": (
        Invariant(
            "obs-6",
            "dataAbsentReason goes without a value.",
            lambda n, _: "dataAbsentReason" not in n or not choice(n, "value"),
        ),
        Invariant("obs-7", "a component may not repeat the code of an observation that has a value.", _obs_7),
    ),
    "Observation.referenceRange": (
        Invariant("obs-3", "give low, high or text.", lambda n, _: has(n, "low", "high", "text")),
    ),
    "Organization": (
        Invariant("org-1", "give a name or an identifier.", lambda n, _: has(n, "identifier", "name")),
        Invariant("org-2", "an organization's address is never of use home.", lambda n, _: _no_home(n, "address")),
        Invariant("org-3", "an organization's telecom is never of use home.", lambda n, _: _no_home(n, "telecom")),
    ),
    "Patient.contact": (
        Invariant(
            "pat-1",
            "give the contact's name, telecom, address or organization.",
            lambda n, _: has(n, "name", "telecom", "address", "organization"),
        ),
    ),
    "Task": (
        Invariant(
            "inv-1",
            "lastModified may not be before authoredOn.",
            lambda n, _: in_order(n.get("authoredOn"), n.get("lastModified")),
        ),
    ),
}


@cache
def invariants_of(kind: str) -> tuple[Invariant, ...]:
    """The invariants of a type, a backbone element or a resource; every resource has those of DomainResource."""
    own = DATATYPES.get(kind) or OWN.get(kind, ())
    return (*DOMAIN, *own) if "contained" in definitions.elements().get(kind, ()) else own
