"""HL7's invariants of people, houses, bookings, consents and what is written down about them, by hand.

https://hl7.org/fhir/R4/resourcelist.html, group "Base" and its neighbours.
"""

from collections.abc import Mapping

from record.validation.invariant import Invariant, Node, Whole, both, choice, coded, has, in_order

CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
UNTIMED_STATES = frozenset({"proposed", "cancelled", "waitlist"})


def _appointment_times(node: Node, _: Whole) -> bool:
    return (has(node, "start") and has(node, "end")) or node.get("status") in UNTIMED_STATES


def _consent(key: str, scope: str) -> Invariant:
    """HL7's own expression names a system 'something' that no code system has; its text means the consent scopes."""
    return Invariant(
        key,
        f"a consent of scope {scope} names its patient.",
        lambda n, _: has(n, "patient") or not coded(n.get("scope"), CONSENT_SCOPE, scope),
    )


def _parameter(node: Node, _: Whole) -> bool:
    """Exactly one of value, resource and part."""
    return [choice(node, "value"), has(node, "resource"), has(node, "part")].count(True) == 1


REGISTER: Mapping[str, tuple[Invariant, ...]] = {
    "Appointment": (
        Invariant("app-2", "give start and end, or neither.", lambda n, _: has(n, "start") == has(n, "end")),
        Invariant("app-3", "only proposed, cancelled or waitlisted ones may lack start and end.", _appointment_times),
        Invariant(
            "app-4",
            "cancelationReason goes with the status cancelled or noshow.",
            lambda n, _: not has(n, "cancelationReason") or n.get("status") in {"cancelled", "noshow"},
        ),
    ),
    "Appointment.participant": (
        Invariant("app-1", "name the participant's type or actor.", lambda n, _: has(n, "type", "actor")),
    ),
    "AppointmentResponse": (
        Invariant("apr-1", "name the participantType or the actor.", lambda n, _: has(n, "participantType", "actor")),
    ),
    "AuditEvent.entity": (
        Invariant("sev-1", "give a name or a query, not both.", lambda n, _: not both(n, "name", "query")),
    ),
    "Consent": (
        Invariant("ppc-1", "give a policy or a policyRule.", lambda n, _: has(n, "policy", "policyRule")),
        _consent("ppc-2", "patient-privacy"),
        _consent("ppc-3", "research"),
        _consent("ppc-4", "adr"),
        _consent("ppc-5", "treatment"),
    ),
    "Group": (
        Invariant(
            "grp-1", "only an actual group has members.", lambda n, _: not has(n, "member") or n.get("actual") is True
        ),
    ),
    "Organization": (Invariant("org-1", "give a name or an identifier.", lambda n, _: has(n, "identifier", "name")),),
    "Parameters.parameter": (Invariant("inv-1", "give one of value, resource and part.", _parameter),),
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

PERCENT = ("%", "http://unitsofmeasure.org")


def _percent(node: Node, _: Whole) -> bool:
    return all((node[end].get("code"), node[end].get("system")) == PERCENT for end in ("low", "high") if end in node)


OF_ELEMENTS: Mapping[str, Mapping[str, Invariant]] = {
    "Organization": {
        "address": Invariant(
            "org-2", "an organization's address is never of use home.", lambda n, _: n.get("use") != "home"
        ),
        "telecom": Invariant(
            "org-3", "an organization's telecom is never of use home.", lambda n, _: n.get("use") != "home"
        ),
    },
    "RiskAssessment.prediction": {
        "probabilityRange": Invariant("ras-1", "a probability's ends are in percent (UCUM).", _percent),
    },
}
"""Type or backbone element -> its element -> a rule that HL7 hangs on an element of a plain data type."""
