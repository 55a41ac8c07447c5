"""Our invariants against HL7's FHIRPath expressions."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from fhirpathpy import evaluate
from fhirpathpy.models import models

from record import definitions
from record.validation.invariant import Invariant, Whole
from record.validation.invariants import invariants_below, invariants_of
from record.validation.invariants_care import ALLERGY_VERIFICATION, CONDITION_VERIFICATION
from record.validation.invariants_register import CONSENT_SCOPE
from tests.record.official import FOLDER, examples

HL7: Mapping[str, Mapping[str, str]] = orjson.loads((FOLDER / "hl7_invariants.json").read_bytes())
UCUM = "http://unitsofmeasure.org"
OTHERWISE = {"txt-1", "txt-2"}
"""Rules whose FHIRPath is a function of the validator's own: see test_validation."""
UNSAYABLE = OTHERWISE | {"ctm-1", "que-7"}
"""And one that asks what a reference points at, and one that asks for System.Boolean where a FHIR boolean stands, so
that even HL7's examples break it as fhirpathpy reads it: see below."""
PER_KIND = 8

BREAKING: Mapping[str, list[tuple[str, dict[str, Any]]]] = {
    "ait-2": [
        (
            "AllergyIntolerance",
            {
                "verificationStatus": {"coding": [{"system": ALLERGY_VERIFICATION, "code": "entered-in-error"}]},
                "clinicalStatus": {"text": "x"},
            },
        )
    ],
    "app-2": [("Appointment", {"status": "booked", "start": "2026-11-25T08:00:00Z"})],
    "app-3": [("Appointment", {"status": "booked"})],
    "app-4": [("Appointment", {"status": "booked", "cancelationReason": {"text": "x"}})],
    "con-5": [
        (
            "Condition",
            {
                "verificationStatus": {"coding": [{"system": CONDITION_VERIFICATION, "code": "entered-in-error"}]},
                "clinicalStatus": {"text": "x"},
            },
        )
    ],
    "dom-2": [
        ("Patient", {"contained": [{"resourceType": "Patient", "id": "a", "contained": [{"resourceType": "Patient"}]}]})
    ],
    "dom-3": [("Patient", {"contained": [{"resourceType": "Patient", "id": "a"}]})],
    "dom-4": [("Patient", {"contained": [{"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}}]})],
    "dom-5": [
        ("Patient", {"contained": [{"resourceType": "Patient", "id": "a", "meta": {"security": [{"code": "R"}]}}]})
    ],
    "mdd-1": [("MedicationDispense", {"whenPrepared": "2026-11-25", "whenHandedOver": "2026-11-24"})],
    "obs-6": [("Observation", {"valueString": "x", "dataAbsentReason": {"text": "x"}})],
    "obs-7": [
        (
            "Observation",
            {
                "code": {"coding": [{"system": "s", "code": "c"}]},
                "valueString": "x",
                "component": [{"code": {"coding": [{"system": "s", "code": "c"}]}}],
            },
        )
    ],
    "per-1": [
        ("Period", {"start": "2026-11-25", "end": "2026-11-24"}),
        ("Period", {"start": "2026-11-25T08:00:00Z", "end": "2026-11-25T07:00:00Z"}),
    ],
    "ref-1": [("Reference", {"reference": "#nowhere"})],
    "rng-2": [("Range", {"low": {"value": 2, "code": "kg"}, "high": {"value": 1, "code": "kg"}})],
    "sev-1": [("AuditEvent.entity", {"name": "x", "query": "eA=="})],
    "tim-1": [("Timing.repeat", {"duration": 1})],
    "qty-3": [(kind, {"code": "kg"}) for kind in ("Quantity", "Age", "Count", "Distance", "Duration")],
    "tim-4": [("Timing.repeat", {"duration": -1, "durationUnit": "h"})],
    "tim-5": [("Timing.repeat", {"period": -1, "periodUnit": "h"})],
    "tim-6": [("Timing.repeat", {"periodMax": 2})],
    "tim-7": [("Timing.repeat", {"durationMax": 2})],
    "tim-8": [("Timing.repeat", {"countMax": 2})],
    "tim-9": [("Timing.repeat", {"offset": 5}), ("Timing.repeat", {"offset": 5, "when": ["C"]})],
    "tim-10": [("Timing.repeat", {"timeOfDay": ["08:00:00"], "when": ["MORN"]})],
    "age-1": [("Age", {"value": -1, "code": "a", "system": UCUM}), ("Age", {"value": 3})],
    "cnt-3": [
        ("Count", {"value": 1.5, "code": "1", "system": UCUM}),
        ("Count", {"value": 1, "code": "2", "system": UCUM}),
    ],
    "dis-1": [("Distance", {"value": 1}), ("Distance", {"value": 1, "code": "m", "system": "other"})],
    "exp-1": [("Expression", {"language": "x"})],
    "ext-1": [
        ("Extension", {"url": "u"}),
        ("Extension", {"url": "u", "valueCode": "c", "extension": [{"url": "v", "valueCode": "c"}]}),
    ],
    "drq-1": [("DataRequirement.codeFilter", {"path": "a", "searchParam": "b"}), ("DataRequirement.codeFilter", {})],
    "drq-2": [("DataRequirement.dateFilter", {"path": "a", "searchParam": "b"}), ("DataRequirement.dateFilter", {})],
    "fhs-1": [("FamilyMemberHistory", {"ageString": "old", "bornDate": "1950"})],
    "fhs-2": [("FamilyMemberHistory", {"estimatedAge": True})],
    "lst-3": [("List", {"mode": "changes", "entry": [{"item": {"display": "x"}, "date": "2026"}]})],
    "org-2": [("Organization.address", {"use": "home"})],
    "org-3": [("Organization.telecom", {"use": "home"})],
    "ppc-3": [("Consent", {"scope": {"coding": [{"system": CONSENT_SCOPE, "code": "research"}]}})],
    "ppc-4": [("Consent", {"scope": {"coding": [{"system": CONSENT_SCOPE, "code": "adr"}]}})],
    "ppc-5": [("Consent", {"scope": {"coding": [{"system": CONSENT_SCOPE, "code": "treatment"}]}})],
    "prr-1": [("ServiceRequest", {"orderDetail": [{"text": "x"}]})],
    "que-2": [("Questionnaire", {"item": [{"linkId": "a", "item": [{"linkId": "b"}]}, {"linkId": "b"}]})],
    "que-3": [("Questionnaire.item", {"type": "display", "code": [{"code": "x"}]})],
    "que-6": [
        ("Questionnaire.item", {"type": "display", "required": False}),
        ("Questionnaire.item", {"type": "display", "repeats": True}),
    ],
    "que-8": [
        ("Questionnaire.item", {"type": "display", "initial": [{"valueString": "x"}]}),
        ("Questionnaire.item", {"type": "group", "initial": [{"valueString": "x"}]}),
    ],
    "que-9": [("Questionnaire.item", {"type": "display", "readOnly": True})],
    "que-10": [("Questionnaire.item", {"type": "date", "maxLength": 5})],
    "que-11": [
        (
            "Questionnaire.item",
            {"type": "choice", "answerOption": [{"valueString": "x"}], "initial": [{"valueString": "x"}]},
        )
    ],
    "que-12": [("Questionnaire.item", {"enableWhen": [{"question": q} for q in "abc"]})],
    "que-13": [("Questionnaire.item", {"initial": [{"valueString": "x"}, {"valueString": "y"}]})],
    "inv-1": [
        ("Parameters.parameter", {"name": "x"}),
        ("Parameters.parameter", {"name": "x", "valueString": "y", "part": [{"name": "z", "valueString": "y"}]}),
        ("Parameters.parameter", {"name": "x", "valueString": "y", "resource": {"resourceType": "Basic"}}),
        ("Task", {"authoredOn": "2026-11-25T08:00:00Z", "lastModified": "2026-11-24T08:00:00Z"}),
    ],
    "ras-2": [("RiskAssessment.prediction", {"probabilityDecimal": 101})],
    "ras-1": [
        ("RiskAssessment.prediction.probabilityRange", {"low": {"value": 1, "code": "%", "system": "other"}}),
        (
            "RiskAssessment.prediction.probabilityRange",
            {"low": {"code": "%", "system": UCUM}, "high": {"code": "1", "system": UCUM}},
        ),
    ],
    "trd-1": [("TriggerDefinition", {"data": [{"type": "Patient"}], "timingDate": "2026"})],
    "trd-2": [("TriggerDefinition", {"condition": {"language": "text/cql", "expression": "x"}})],
    "trd-3": [("TriggerDefinition", {"type": kind}) for kind in ("named-event", "periodic", "data-added")],
}
"""What the examples, even with one element taken away, do not break."""


def _sayable(expression: str) -> str:
    """HL7's expression in the words fhirpathpy has; what is taken out says the same of other spellings."""
    for said, instead in (
        (".hasValue()", ".exists()"),
        (" or descendants().where(as(canonical) = '#').exists()", ""),
        (
            "".join(f" | %resource.descendants().as({kind})" for kind in ("canonical", "uri", "url")),
            "",
        ),
        ("Appointment.", ""),
        ("low <= high", "low.value <= high.value"),
        # No code system is called 'something': HL7's text of these rules means the scopes of a consent.
        ("'something'", f"'{CONSENT_SCOPE}'"),
    ):
        expression = expression.replace(said, instead)
    return re.sub(r"\.trace\('\w+'(, id)?\)", "", expression)


Placed = tuple[dict[str, Any], dict[str, Any]]
"""A node and its resource."""


def _nodes() -> Mapping[str, list[Placed]]:
    """Kind, or element of a kind, -> its nodes in all official examples."""
    found: dict[str, list[Placed]] = defaultdict(list)

    def walk(node: dict[str, Any], kind: str, root: dict[str, Any]) -> None:
        found[kind].append((node, root))
        for name, value in node.items():
            element = definitions.elements().get(kind, {}).get(name)
            if element and element["type"] != "Resource":
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        found[f"{kind}.{name}"].append((item, root)) if name in invariants_below(kind) else None
                        walk(item, element["type"], root)

    for body in examples().values():
        resource = orjson.loads(body)
        walk(resource, resource["resourceType"], resource)
    return found


NODES = _nodes()


def _variants(kind: str, key: str) -> Iterator[Placed]:
    """Examples, those with one element taken away or borrowed from another of their kind, and breaking ones."""
    some = NODES[kind][:PER_KIND] if kind == "Patient" or not key.startswith("dom-") else []
    lent = {name: value for node, _ in NODES[kind] for name, value in node.items()}
    for node, root in some:
        fewer = [{k: v for k, v in node.items() if k != gone} for gone in node if gone != "resourceType"]
        more = [{**node, name: value} for name, value in lent.items() if name not in node]
        for variant in (node, *fewer, *more):
            yield variant, variant if node is root else root
    for of, node in BREAKING.get(key, ()):
        if of == kind or (of == "Patient" and key.startswith("dom-")):
            whole = {"resourceType": kind, **node} if "." not in kind else node
            yield whole, whole


def _rule(path: str, key: str) -> tuple[str, Invariant]:
    """The kind whose nodes the rule judges, and the rule."""
    above, _, name = path.replace("[x]", "Range").rpartition(".")
    if name in invariants_below(above):
        return f"{above}.{name}", invariants_below(above)[name]
    return path, next(rule for rule in invariants_of(path) if rule.key == key)


@pytest.mark.parametrize(
    ("path", "key"), [(path, key) for path, rules in HL7.items() for key in rules if key not in UNSAYABLE]
)
def test_an_invariant_decides_as_hl7s_expression_does(path: str, key: str) -> None:
    """On examples, mutilated examples and made-up breaches, ours and HL7's rule agree, and each is seen to refuse."""
    kind, rule = _rule(path, key)
    question = {"base": kind, "expression": _sayable(HL7[path][key])}
    refused = 0
    for node, root in _variants(kind, key):
        context = {"resource": root, "rootResource": root, "ucum": UCUM}
        decided = evaluate(node, question, context, models["r4"])
        ours = rule.holds(node, Whole(root))
        refused += not ours
        # An expression that comes to nothing decides nothing: HL7 leaves it to the validator.
        if decided in ([True], [False]):
            assert decided == [ours], (key, node)
    assert refused


def test_every_error_of_the_kept_types_has_an_invariant() -> None:
    """No constraint of severity error on a kept type or data type is left out."""
    for path, rules in HL7.items():
        for key in rules:
            if key not in OTHERWISE:
                assert _rule(path, key)[1].key == key


def _holds(kind: str, key: str, node: dict[str, Any]) -> bool:
    return _rule(kind, key)[1].holds(node, Whole(node))


@pytest.mark.parametrize(
    ("member", "holds"),
    [
        ({"reference": "Practitioner/1"}, True),
        ({"display": "somebody"}, True),
        ({"reference": "#inside"}, True),
        ({"reference": "Organization/1"}, False),
        ({"type": "Patient", "identifier": {"value": "1"}}, False),
    ],
)
def test_only_a_practitioner_takes_part_for_another(member: dict[str, Any], holds: bool) -> None:
    """ctm-1 is broken by a member of another type; one that cannot be told keeps it, as in HL7's expression."""
    assert (
        _holds("CareTeam.participant", "ctm-1", {"member": member, "onBehalfOf": {"reference": "Organization/1"}})
        == holds
    )
    assert _holds("CareTeam.participant", "ctm-1", {"member": member})


def test_whether_a_question_was_answered_is_asked_by_a_boolean() -> None:
    """que-7: the operator exists goes with answerBoolean, any other operator with any answer."""
    asked = {"question": "a", "operator": "exists"}
    assert _holds("Questionnaire.item.enableWhen", "que-7", {**asked, "answerBoolean": False})
    assert not _holds("Questionnaire.item.enableWhen", "que-7", {**asked, "answerInteger": 1})
    assert _holds("Questionnaire.item.enableWhen", "que-7", {"question": "a", "operator": "=", "answerInteger": 1})
