"""What single resources are found by."""

from typing import Any

import pytest

from record.failures import TooManyPairs
from record.index import keys
from record.index.index import Index, index_of
from record.index.parameters import parameters
from record.splice import decoded

LOINC = "http://loinc.org"


def _has(index: Index, type_: str, code: str, *forms: str) -> bool:
    return all(keys.exact(type_, code, form) in index.keys for form in forms)


def test_an_identifier_is_found_by_its_type() -> None:
    """`:of-type` names the identifier's type and value together, and no other of its forms does."""
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}, {"code": "X"}]}
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:a", "value": "7", "type": kind}]}
    index = index_of(patient)
    assert _has(index, "Patient", "identifier", "7", "urn:a|", "urn:a|7")
    assert _has(index, "Patient", "identifier", ":of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|7")
    assert _has(index, "Patient", "identifier", ":of-type=|X|7")
    assert not _has(index, "Patient", "identifier", ":of-type=|MR|7")


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    """A profile or questionnaire with a version is found by its bare address too."""
    answered = {
        "resourceType": "QuestionnaireResponse",
        "meta": {"profile": ["http://example.org/p|2"]},
        "questionnaire": "http://example.org/q|1.0",
    }
    index = index_of(answered)
    assert _has(index, "QuestionnaireResponse", "questionnaire", "http://example.org/q", "http://example.org/q|1.0")
    assert _has(index, "QuestionnaireResponse", "_profile", "http://example.org/p", "http://example.org/p|2")


@pytest.mark.parametrize(
    ("reference", "form"),
    [
        ("Patient/1", "Patient/1"),
        ("Patient/1/_history/3", "Patient/1"),
        ("http://elsewhere.example/fhir/Patient/1", "http://elsewhere.example/fhir/Patient/1"),
        ("http://elsewhere.example/fhir/Patient/1/_history/2", "http://elsewhere.example/fhir/Patient/1"),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    ],
)
def test_a_reference_is_found_as_it_stands_without_its_version(reference: str, form: str) -> None:
    """Relative references by type and id, others by their whole address."""
    index = index_of({"resourceType": "Observation", "subject": {"reference": reference}})
    assert _has(index, "Observation", "subject", form)


def test_a_contained_reference_is_there_but_points_nowhere() -> None:
    """What is contained is not found, yet the parameter is not missing."""
    index = index_of({"resourceType": "Observation", "subject": {"reference": "#p"}})
    assert index.keys == ()
    assert keys.number("subject") in index.present


def test_a_component_is_told_with_its_own_code_alone() -> None:
    """Of a blood pressure, each value stands under the codings of its component, and the whole under none of them."""
    codes = [{"system": LOINC, "code": "8480-6"}, {"code": "sys"}]
    body = (
        b'{"resourceType":"Observation","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"component":['
        b'{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"},{"code":"sys"}]},"valueQuantity":{"value":120.00}},'
        b'{"code":{"text":"diastolic"},"valueQuantity":{"value":80,"unit":"mmHg"}}]}'
    )
    rows = index_of(decoded(body)).numbers
    told = [(keys.key(one["code"]), keys.key(LOINC) if "system" in one else None) for one in codes]
    assert {(row[1], row[2], str(row[3]), row[7]) for row in rows} == {
        *((code, system, "120.00", None) for code, system in told),
        (None, None, "80", "mmHg"),
    }
    (place,) = parameters("Observation")["component-code-value-quantity"].places
    assert {row[0] for row in rows} == {place}
    assert place in parameters("Observation")["combo-value-quantity"].places


def test_a_pair_of_codes_is_one_key_of_its_group() -> None:
    """Code and coded value make a key together in their own component, never across two."""

    def component(code: str, value: str) -> dict[str, Any]:
        return {"code": {"coding": [{"code": code}]}, "valueCodeableConcept": {"coding": [{"code": value}]}}

    index = index_of({"resourceType": "Observation", "component": [component("a", "x"), component("b", "y")]})
    assert _has(index, "Observation", "component-code-value-concept", "a$x", "b$y")
    assert _has(index, "Observation", "combo-code-value-concept", "a$x")
    assert not _has(index, "Observation", "component-code-value-concept", "a$y")
    assert not _has(index, "Observation", "code-value-concept", "a$x")


@pytest.mark.parametrize(
    ("said", "deceased"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2026"}, "true"),
    ],
)
def test_who_has_died_is_found_however_it_is_said(said: dict[str, Any], deceased: str) -> None:
    """A date of death says it as much as `true` does; nothing said means alive."""
    index = index_of({"resourceType": "Patient", **said})
    assert _has(index, "Patient", "deceased", deceased)
    assert not _has(index, "Patient", "deceased", "true" if deceased == "false" else "false")


def test_tags_and_labels_of_any_type_are_found() -> None:
    """What meta says is searched on every type alike."""
    meta = {"tag": [{"system": "urn:t", "code": "x"}], "security": [{"code": "R"}], "source": "urn:from"}
    index = index_of({"resourceType": "Claim", "meta": meta})
    assert _has(index, "Claim", "_tag", "x", "urn:t|x")
    assert _has(index, "Claim", "_security", "R")
    assert _has(index, "Claim", "_source", "urn:from")


def test_pairs_of_codes_are_bounded() -> None:
    """A few kilobytes of codes side by side do not become millions of keys: the resource is refused."""

    def codes(count: int) -> dict[str, Any]:
        return {"coding": [{"system": "urn:a", "code": f"c{n}"} for n in range(count)]}

    def measured(count: int) -> dict[str, Any]:
        component = {"code": codes(count), "valueCodeableConcept": codes(count)}
        return {"resourceType": "Observation", "component": [component] * 2}

    assert len(index_of(measured(20)).keys) > 1000
    with pytest.raises(TooManyPairs):
        index_of(measured(1000))
