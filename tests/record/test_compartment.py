"""Whose record a resource belongs to, held against HL7's patient compartment."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from fhirpathpy import evaluate
from fhirpathpy.models import models

from record import definitions
from record.compartment import ABOUT, NOBODY_ELSE, TAKING_PART, patient_of
from record.failures import PatientMissing
from record.ownership import types
from tests.record.official import FOLDER, examples, type_of

HL7: Mapping[str, list[str]] = orjson.loads((FOLDER / "hl7_compartment.json").read_bytes())
"""Type -> search parameters through which it lies in a patient's compartment."""
PARAMETERS = {(base, one["code"]): one for one in definitions.search_parameters() for base in one["base"]}
OPEN = {"Schedule"}
"""A doctor's diary names no patient here; the directory is open."""
NOT_ASKED = {"Patient": {"link.other"}, "List": {"source"}, "AuditEvent": set()}
"""A linked patient's record is another record; a list without a subject spans patients."""
OUR_OWN = {"Binary", "Device"}
"""Types HL7 leaves out, though they name a patient."""


def _hl7_paths(type_: str) -> set[str]:
    """The elements HL7's compartment asks, without the type's name."""
    parts = [
        part.strip(" ()").partition(".where(")[0]
        for code in HL7[type_]
        for part in PARAMETERS[type_, code]["expression"].split("|")
    ]
    return {part.partition(".")[2] for part in parts if part.startswith(f"{type_}.")}


def _always_there(type_: str, path: str) -> bool:
    return bool(definitions.elements()[type_].get(path, {}).get("least"))


@pytest.mark.parametrize("type_", sorted(set(HL7) - OPEN - {"Patient"}))
def test_we_ask_the_elements_hl7_asks(type_: str) -> None:
    """Each element of HL7's compartment is asked, unless the one asked first is always there."""
    ours = {ABOUT[type_], *TAKING_PART.get(type_, ())}
    theirs = _hl7_paths(type_) - NOT_ASKED.get(type_, set())
    assert ours <= theirs
    assert ours == theirs or _always_there(type_, ABOUT[type_])


def test_every_type_with_a_compartment_says_whose_it_is_or_cannot() -> None:
    """Compartment types name a patient somewhere; two kinds of payment and a metric never do."""
    kept = {type_ for type_, rules in types().items() if rules.compartment}
    assert kept - set(ABOUT) == {"Patient", "PaymentNotice", "PaymentReconciliation", "DeviceMetric"}
    assert set(ABOUT) - set(HL7) == OUR_OWN
    assert set(TAKING_PART) <= set(ABOUT) <= kept


@pytest.mark.parametrize("type_", sorted(set(HL7) - OPEN - {"Patient"}))
def test_an_example_lies_in_the_record_hl7_puts_it_in(type_: str) -> None:
    """Whoever owns an example is one of the patients of HL7's compartment; if there is one only, it is that one."""
    for resource in (orjson.loads(body) for body in examples().values() if type_of(body) == type_):
        found = [
            reference.get("reference", "").split("/")
            for path in _hl7_paths(type_) - NOT_ASKED.get(type_, set())
            for reference in evaluate(resource, f"{type_}.{path}", None, models["r4"])
        ]
        patients = {parts[1] for parts in found if parts[0] == "Patient"}
        owner = patient_of(resource)
        assert owner is None or owner in patients
        if len(patients) == 1 and type_ not in NOBODY_ELSE:
            assert owner == patients.pop()


@pytest.mark.parametrize(
    ("resource", "owner"),
    [
        ({"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "Patient/b"}}]}, "a"),
        ({"resourceType": "Observation", "subject": "a", "performer": ["b"]}, "a"),
        ({"resourceType": "Observation", "performer": ["b"]}, "b"),
        ({"resourceType": "Communication", "sender": "a", "recipient": ["b"]}, None),
        ({"resourceType": "Appointment", "participant": [{"actor": "a"}, {"actor": "b"}]}, None),
        ({"resourceType": "Group", "member": [{"entity": "a"}]}, "a"),
        ({"resourceType": "Group", "member": [{"entity": "a"}, {"entity": "b"}]}, None),
        ({"resourceType": "Group"}, None),
        ({"resourceType": "Person", "link": [{"target": "a"}, {"target": "b"}]}, None),
        ({"resourceType": "List", "source": "a"}, None),
        ({"resourceType": "List", "subject": "a", "source": "b"}, "a"),
        ({"resourceType": "Basic", "author": "a"}, "a"),
        ({"resourceType": "Binary", "securityContext": "a"}, "a"),
        ({"resourceType": "Binary"}, None),
        ({"resourceType": "Device"}, None),
        ({"resourceType": "PaymentNotice"}, None),
        ({"resourceType": "Questionnaire"}, None),
    ],
)
def test_the_one_patient_owns_it(resource: dict[str, Any], owner: str | None) -> None:
    """The one it is about owns a resource; where there are several, or nobody can be told, nobody does."""
    assert patient_of(_spelt(resource)) == owner


def _spelt(value: Any, name: str = "") -> Any:
    """One letter stands for a reference to that patient."""
    if isinstance(value, dict):
        return {key: _spelt(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spelt(inner, name) for inner in value]
    return {"reference": f"Patient/{value}"} if len(value) == 1 and name != "id" else value


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "#p"},
        {"reference": "https://elsewhere.example/fhir/Patient/a"},
        {"reference": "Group/g"},
        {"type": "Patient", "identifier": {"value": "a"}},
        {"display": "somebody"},
    ],
)
def test_a_subject_who_is_no_patient_here_gives_the_record_to_nobody_else(subject: dict[str, Any]) -> None:
    """Who told it does not own what is about another, even when that other cannot be told."""
    said = {"resourceType": "Observation", "subject": subject, "performer": [{"reference": "Patient/a"}]}
    assert patient_of(said) is None


def test_one_patient_beside_a_stranger_owns_nothing_alone() -> None:
    """An appointment or account that names a patient of another house as well is not shown to the one we know."""
    known, stranger = {"reference": "Patient/a"}, {"reference": "https://elsewhere.example/fhir/Patient/b"}
    both: list[dict[str, Any]] = [{"actor": known}, {"actor": stranger}]
    assert patient_of({"resourceType": "Appointment", "participant": both}) is None
    assert patient_of({"resourceType": "Account", "subject": [known, {"display": "x"}]}) is None


def test_a_device_of_an_unknown_patient_is_not_open_to_all() -> None:
    """A device without a patient is open knowledge; one whose patient cannot be told is refused."""
    with pytest.raises(PatientMissing):
        patient_of({"resourceType": "Device", "patient": {"display": "somebody"}})
