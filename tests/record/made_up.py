"""Made-up resources that have a value where a walk leads: HL7's examples leave many elements out."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from record.definitions import elements
from record.index.parameters import Parameter
from record.index.paths import Path

Resource = dict[str, Any]
CONCEPT = {"coding": [{"system": "http://snomed.info/sct", "code": "1", "display": "One"}, {"code": "2"}], "text": "1"}
MEASURED = {"value": Decimal("5.40"), "unit": "milligram", "system": "http://unitsofmeasure.org", "code": "mg"}
SAMPLES: dict[str, Any] = {
    "Address": {"text": "1 Zhongshan Road", "line": ["1 Zhongshan Road"], "city": "Chongqing", "use": "home"},
    "Age": {"value": 63, "system": "http://unitsofmeasure.org", "code": "a"},
    "CodeableConcept": CONCEPT,
    "Coding": {"system": "http://snomed.info/sct", "code": "1", "display": "One"},
    "ContactPoint": {"system": "phone", "value": "023-1", "use": "work"},
    "Duration": {"value": 30, "system": "http://unitsofmeasure.org", "code": "min"},
    "HumanName": {"text": "Li Na", "family": "Li", "given": ["Na"]},
    "Identifier": {"system": "urn:a", "value": "1", "type": CONCEPT},
    "Money": {"value": Decimal("12.50"), "currency": "CNY"},
    "Period": {"start": "2026-01-01", "end": "2026-02-01"},
    "Quantity": MEASURED,
    "Range": {"low": {"value": 1}, "high": {"value": 2}},
    "Reference": {"reference": "Patient/1", "identifier": {"system": "urn:a", "value": "1"}},
    "SampledData": {"origin": {"value": 0}, "period": 10, "dimensions": 1, "data": "1 2 3"},
    "Timing": {"event": ["2026-01-01"]},
    "boolean": True,
    "canonical": "http://example.org/a|1",
    "code": "some",
    "date": "2026-01-01",
    "dateTime": "2026-01-01T10:00:00+08:00",
    "decimal": Decimal("1.5"),
    "id": "a-1",
    "instant": "2026-01-01T10:00:00+08:00",
    "markdown": "Some *words*",
    "positiveInt": 3,
    "string": "some words",
    "uri": "urn:oid:1.2",
    "url": "http://example.org/a",
}


def resources(parameter: Parameter) -> Iterator[Resource]:
    """For each walk of a parameter a resource it finds something in; of a composite, for each pair of its parts."""
    if parameter.components:
        token, value = parameter.components
        for path in parameter.paths:
            pairs = ((one, two) for one in token.paths for two in value.paths)
            for one, two in ((one, two) for one, two in pairs if one.root == two.root == path.spelling):
                yield _made(path, _with(one) | _with(two))
        return
    for path in parameter.paths:
        if path.is_so:
            yield from ({"resourceType": parameter.type} | {name: so} for name in path.is_so for so in (True, False))
        else:
            yield {"resourceType": parameter.type} | _with(path)


def _made(group: Path, parts: Resource) -> Resource:
    return {"resourceType": group.root} | (_inside(group, parts) if group.steps else parts)


def _with(path: Path) -> Resource:
    return _inside(path, copy.deepcopy(SAMPLES[path.type]))


def _inside(path: Path, value: Any) -> Resource:
    """The elements of the walk around a value."""
    owners = [_owner(path)]
    for step in path.steps:
        owners.append(elements()[owners[-1]][step.name]["type"])
    for owner, step in zip(reversed(owners[:-1]), reversed(path.steps), strict=True):
        if step.where:
            value = value | {step.where[0]: step.where[1]}
        if step.is_a:
            value = {"reference": f"{step.is_a}/1"}
        value = {step.name: [value] if elements()[owner][step.name].get("many") else value}
    return dict(value)


def _owner(path: Path) -> str:
    """The type in whose elements the walk begins."""
    type_, *names = path.root.split(".")
    for name in names:
        type_ = elements()[type_][name]["type"]
    return type_
