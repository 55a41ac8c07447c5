"""Our invariants against HL7's FHIRPath expressions."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from fhirpathpy import evaluate
from fhirpathpy.models import models

from record import definitions
from record.invariant import Whole
from record.invariants import ALLERGY_VERIFICATION, CONDITION_VERIFICATION, invariants_of
from tests.record.official import FOLDER, examples

HL7: Mapping[str, Mapping[str, str]] = orjson.loads((FOLDER / "hl7_invariants.json").read_bytes())
UCUM = "http://unitsofmeasure.org"
UNSAYABLE = {"txt-1", "txt-2", "ele-1"}
"""Rules whose FHIRPath is a function of the validator's own, or that every element has: see test_validation."""
ELSEWHERE = {"org-2": "Organization", "org-3": "Organization"}
"""Rules we hang on the resource instead of the element."""
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
    "inv-1": [("Task", {"authoredOn": "2026-11-25T08:00:00Z", "lastModified": "2026-11-24T08:00:00Z"})],
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
    "org-2": [("Organization", {"name": "x", "address": [{"use": "home"}]})],
    "org-3": [("Organization", {"name": "x", "telecom": [{"use": "home"}]})],
}
"""What the examples, even with one element taken away, do not break."""


def _sayable(expression: str) -> str:
    """HL7's expression in the words fhirpathpy has; what is taken out says the same of other spellings."""
    for said, instead in (
        (".hasValue()", ".exists()"),
        (".trace('unmatched', id)", ""),
        (".trace('url')", ""),
        (".trace('ids')", ""),
        (" or descendants().where(as(canonical) = '#').exists()", ""),
        (
            "".join(f" | %resource.descendants().as({kind})" for kind in ("canonical", "uri", "url")),
            "",
        ),
        ("Appointment.", ""),
        ("low <= high", "low.value <= high.value"),
    ):
        expression = expression.replace(said, instead)
    return expression


def _nodes() -> Mapping[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Kind -> (node, its resource) over all official examples."""
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)

    def walk(node: dict[str, Any], kind: str, root: dict[str, Any]) -> None:
        found[kind].append((node, root))
        for name, value in node.items():
            element = definitions.elements().get(kind, {}).get(name)
            if element and element["type"] != "Resource":
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        walk(item, element["type"], root)

    for body in examples().values():
        resource = orjson.loads(body)
        walk(resource, resource["resourceType"], resource)
    return found


NODES = _nodes()


def _variants(kind: str, key: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Nodes with their resources: examples, examples with one element taken away, and breaking ones."""
    for node, root in NODES[kind][:PER_KIND]:
        fewer = [{k: v for k, v in node.items() if k != gone} for gone in node if gone != "resourceType"]
        for variant in (node, *fewer):
            yield variant, variant if node is root else root
    for of, node in BREAKING.get(key, ()):
        if of == kind or (of == "Patient" and key.startswith("dom-")):
            whole = {"resourceType": kind, **node} if "." not in kind else node
            yield whole, whole


@pytest.mark.parametrize(
    ("path", "key"), [(path, key) for path, rules in HL7.items() for key in rules if key not in UNSAYABLE]
)
def test_an_invariant_decides_as_hl7s_expression_does(path: str, key: str) -> None:
    """On examples, mutilated examples and made-up breaches, ours and HL7's rule agree, and each is seen to refuse."""
    kind, _, below = path.rpartition(".") if key in ELSEWHERE else (path, "", "")
    rule = next(rule for rule in invariants_of(kind) if rule.key == key)
    question = {"base": kind, "expression": _sayable(_at(below, HL7[path][key]))}
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


def _at(below: str, expression: str) -> str:
    return f"{below}.{expression}" if below else expression


def test_every_error_of_the_kept_types_has_an_invariant() -> None:
    """No constraint of severity error on a kept type or data type is left out."""
    for path, rules in HL7.items():
        for key in rules:
            kind = path.rpartition(".")[0] if key in ELSEWHERE else path
            assert key in {rule.key for rule in invariants_of(kind)} | {"txt-2", "ele-1"}, (path, key)
