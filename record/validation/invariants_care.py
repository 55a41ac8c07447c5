"""HL7's invariants of what is found out about a patient and done for one, by hand.

https://hl7.org/fhir/R4/resourcelist.html, group "Clinical" and its neighbours.
"""

from collections.abc import Mapping

from record.index.keys import reference_type
from record.validation.invariant import Invariant, Node, Whole, both, choice, coded, has, in_order

ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def _allergy_in_error(node: Node) -> bool:
    return coded(node.get("verificationStatus"), ALLERGY_VERIFICATION, "entered-in-error")


def _abated(node: Node, _: Whole) -> bool:
    ended = coded(node.get("clinicalStatus"), CONDITION_CLINICAL, "resolved", "remission", "inactive")
    return not choice(node, "abatement") or ended


def _con_5(node: Node, _: Whole) -> bool:
    in_error = coded(node.get("verificationStatus"), CONDITION_VERIFICATION, "entered-in-error")
    return not in_error or not has(node, "clinicalStatus")


def _obs_7(node: Node, _: Whole) -> bool:
    own = node.get("code", {}).get("coding", ())
    inner = (coding for part in node.get("component", ()) for coding in part.get("code", {}).get("coding", ()))
    return not choice(node, "value") or not any(coding in own for coding in inner)


CARE: Mapping[str, tuple[Invariant, ...]] = {
    "AllergyIntolerance": (
        Invariant(
            "ait-1",
            "clinicalStatus must be there unless verificationStatus is entered-in-error.",
            lambda n, _: _allergy_in_error(n) or has(n, "clinicalStatus"),
        ),
        Invariant(
            "ait-2",
            "clinicalStatus may not be there when verificationStatus is entered-in-error.",
            lambda n, _: not _allergy_in_error(n) or not has(n, "clinicalStatus"),
        ),
    ),
    "CarePlan.activity": (
        Invariant("cpl-3", "give a reference or a detail, not both.", lambda n, _: not both(n, "detail", "reference")),
    ),
    "CareTeam.participant": (
        Invariant(
            "ctm-1",
            "only a Practitioner takes part on behalf of another.",
            # What a reference points at is not looked up: only a type that it names can break the rule.
            lambda n, _: not has(n, "onBehalfOf") or reference_type(n.get("member", {})) in {None, "Practitioner"},
        ),
    ),
    "Composition.section": (
        Invariant("cmp-1", "give text, entries or sections.", lambda n, _: has(n, "text", "entry", "section")),
        Invariant("cmp-2", "emptyReason goes without entries.", lambda n, _: not both(n, "emptyReason", "entry")),
    ),
    "Condition": (
        Invariant("con-4", "an abated condition is resolved, in remission or inactive.", _abated),
        Invariant("con-5", "clinicalStatus may not be there when verificationStatus is entered-in-error.", _con_5),
    ),
    "Condition.evidence": (
        Invariant("con-2", "evidence has a code or details.", lambda n, _: has(n, "code", "detail")),
    ),
    "Condition.stage": (
        Invariant("con-1", "a stage has a summary or an assessment.", lambda n, _: has(n, "summary", "assessment")),
    ),
    "FamilyMemberHistory": (
        Invariant("fhs-1", "give age or born, not both.", lambda n, _: not (choice(n, "age") and choice(n, "born"))),
        Invariant("fhs-2", "estimatedAge needs an age.", lambda n, _: choice(n, "age") or not has(n, "estimatedAge")),
    ),
    "Goal.target": (
        Invariant("gol-1", "a detail needs a measure.", lambda n, _: not choice(n, "detail") or has(n, "measure")),
    ),
    "Immunization.education": (
        Invariant("imm-1", "give documentType or reference.", lambda n, _: has(n, "documentType", "reference")),
    ),
    "ImmunizationRecommendation.recommendation": (
        Invariant("imr-1", "give vaccineCode or targetDisease.", lambda n, _: has(n, "vaccineCode", "targetDisease")),
    ),
    "List": (
        Invariant("lst-1", "emptyReason goes without entries.", lambda n, _: not both(n, "emptyReason", "entry")),
        Invariant(
            "lst-2",
            "deleted entries stand in a list of changes only.",
            lambda n, _: n.get("mode") == "changes" or not _entry_has(n, "deleted"),
        ),
        Invariant(
            "lst-3",
            "dated entries stand in a working list only.",
            lambda n, _: n.get("mode") == "working" or not _entry_has(n, "date"),
        ),
    ),
    "MedicationAdministration.dosage": (
        Invariant("mad-1", "give dose or rate.", lambda n, _: has(n, "dose") or choice(n, "rate")),
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
            lambda n, _: not has(n, "dataAbsentReason") or not choice(n, "value"),
        ),
        Invariant("obs-7", "a component may not repeat the code of an observation that has a value.", _obs_7),
    ),
    "Observation.referenceRange": (
        Invariant("obs-3", "give low, high or text.", lambda n, _: has(n, "low", "high", "text")),
    ),
    "RiskAssessment.prediction": (
        Invariant(
            "ras-2",
            "a probability is 100 at most.",
            lambda n, _: "probabilityDecimal" not in n or bool(n["probabilityDecimal"] <= 100),
        ),
    ),
    "ServiceRequest": (
        Invariant("prr-1", "orderDetail needs a code.", lambda n, _: not has(n, "orderDetail") or has(n, "code")),
    ),
}


def _entry_has(node: Node, name: str) -> bool:
    return any(has(entry, name) for entry in node.get("entry", ()))
