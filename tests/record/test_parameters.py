"""Search parameters against HL7's own definitions."""

import pytest

from record.index.index import index_of
from record.index.keys import exact
from record.index.parameters import SEARCHES, parameters
from record.index.paths import ExpressionUnknown, compiled
from record.ownership import types


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
