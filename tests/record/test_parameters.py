"""Search parameters against HL7's own definitions."""

from typing import Any

import orjson
import pytest
from fhirpathpy import evaluate
from fhirpathpy.models import models

from record import definitions
from record.index import index_of
from record.keys import exact, reference_type
from record.ownership import types
from record.parameters import OUR_OWN, SEARCHES, parameters
from record.paths import ExpressionUnknown, compiled
from tests.record.official import examples, type_of

HL7 = {(base, one["code"]): one for one in definitions.search_parameters() for base in one["base"]}


def _ours(expression: str, type_: str) -> str:
    """HL7's expression with the parts that fhirpathpy lacks taken out; the caller filters references itself."""
    own = [part.strip() for part in expression.split("|") if type_ in part]
    return " | ".join(part.partition(".where(resolve()")[0] for part in own)


def test_every_kept_type_is_found_by_something() -> None:
    """Each type of the record declares how it is searched, by parameters that reach an element."""
    assert set(SEARCHES) == set(types())
    for type_ in SEARCHES:
        for parameter in parameters(type_).values():
            assert parameter.paths, f"{type_}.{parameter.code}"


def test_dates_anchors_and_marks_name_declared_parameters() -> None:
    """What a type's declaration mentions is among its parameters."""
    for search in SEARCHES.values():
        named = {search.date} - {None} | {code for anchor in search.anchors for code in anchor} | set(search.text)
        assert named <= set(search.codes)
        assert all(len(anchor) <= 2 for anchor in search.anchors)


@pytest.mark.parametrize("type_", sorted(set(SEARCHES)))
def test_our_walks_find_what_hl7s_expressions_find(type_: str) -> None:
    """For every official example, each parameter's walk finds the very values of HL7's FHIRPath expression."""
    bodies = [orjson.loads(body) for body in examples().values() if type_of(body) == type_][:25]
    for parameter in parameters(type_).values():
        if (type_, parameter.code) in OUR_OWN:
            continue
        question = _ours(str(HL7[type_, parameter.code]["expression"]), type_)
        wanted_type = next((p.steps[-1].is_a for p in parameter.paths), None)
        for resource in bodies:
            found = [value for path in parameter.paths for value in path.values(resource)]
            values = evaluate(resource, question, None, models["r4"])
            asked = [v for v in values if wanted_type is None or reference_type(v) == wanted_type]
            assert _plain(found) == _plain(asked), f"{type_}.{parameter.code} of {resource.get('id')}"


def _plain(values: list[Any]) -> set[bytes]:
    """Values of a union, which FHIRPath gives once each."""
    return {orjson.dumps(str(value) if not isinstance(value, dict) else value) for value in values}


def test_an_expression_that_is_not_understood_is_said_so() -> None:
    """A part of FHIRPath that is not known here raises instead of finding nothing."""
    with pytest.raises(ExpressionUnknown):
        compiled("Patient.name.matches('x')", "Patient")
    with pytest.raises(ExpressionUnknown):
        compiled("Patient.nonsense", "Patient")


def test_a_district_is_found_by_its_extension() -> None:
    """The district of a hospital, coded in Chongqing's extension, is a search parameter of ours."""
    url = "http://fhir.cq.hc/StructureDefinition/hc-mdm-administrativedivision"
    coding = {"system": "http://fhir.cq.hc/CodeSystem/division", "code": "500103"}
    hospital = {"resourceType": "Organization", "extension": [{"url": url, "valueCoding": coding}]}
    assert exact("Organization", "district", "500103") in index_of(hospital).keys


def test_pairs_are_written_for_outright_values() -> None:
    """A slot's schedule and status together are one key of the timeline."""
    slot = {"resourceType": "Slot", "schedule": {"reference": "Schedule/1"}, "status": "free", "start": "2026-11-25"}
    index = index_of(slot)
    assert len(index.anchors) == 2
    assert set(index.anchors) <= set(index.keys)
