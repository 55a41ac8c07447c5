"""Every way of spoiling every type is refused, and the refusal names the spoilt place."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
import pytest

from kernel.failures import Failure
from record.ownership import types
from record.validation.checking import check
from tests.record.mutations import MUTATIONS, Site, planted, sites
from tests.record.official import examples, sound_examples, type_of

PER_TYPE = 3
"""Cases of one kind of mutation tried on each type, at different elements."""
BODIES = 4
"""Examples of each type, the smallest ones, in which they are looked for."""
CONTAINED = {"resourceType": "Linkage", "id": "spoilt", "item": [{"type": "source", "resource": {"display": "x"}}]}
SOME = {
    "wrong canonical": {"Questionnaire", "QuestionnaireResponse"},
    "wrong contained target": types().keys() - {"Binary"},
}
"""Kinds that need an element not every type's examples have, and the types that have one."""
WITHOUT = {"DeviceMetric": "parent", "DeviceUseStatement": "reasonReference"}
"""Types whose one example is sound without this element."""


@cache
def _bodies(type_: str) -> list[bytes]:
    if type_ in WITHOUT:
        whole = next(orjson.loads(body) for body in examples().values() if type_of(body) == type_)
        return [orjson.dumps({name: value for name, value in whole.items() if name != WITHOUT[type_]})]
    return sorted((body for body in sound_examples().values() if type_of(body) == type_), key=len)[:BODIES]


def _places(resource: dict[str, Any]) -> set[str | None]:
    try:
        check(orjson.dumps(resource), type=resource["resourceType"])
    except Failure as failure:
        return {one.expression for one in (failure, *failure.others)}
    return set()


def _sites(resource: dict[str, Any]) -> list[Site]:
    return list(sites(resource, resource["resourceType"], resource["resourceType"]))


def _spoilt(type_: str, kind: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Spoilt resources with the spoilt place: elements of the type's own first, then the planted ones."""
    tried: set[str] = set()
    for body in _bodies(type_):
        resource = _ready(body, kind)
        listed = _sites(resource)
        for which, element in _order(listed):
            # A mutation that does not apply has changed nothing.
            place = MUTATIONS[kind](listed[which]) if element not in tried else None
            if place is not None:
                tried.add(element)
                yield resource, place
                resource = _ready(body, kind)
                listed = _sites(resource)
            if len(tried) == PER_TYPE:
                return


def _ready(body: bytes, kind: str) -> dict[str, Any]:
    resource = planted(body)
    if kind == "wrong contained target" and resource["resourceType"] != "Binary":
        resource.setdefault("contained", []).append(CONTAINED)
    return resource


def _order(listed: list[Site]) -> list[tuple[int, str]]:
    """Number and element of each site, the planted ones last."""
    numbered = [(i, re.sub(r"\[\d+\]", "", site.place)) for i, site in enumerate(listed)]
    return sorted(numbered, key=lambda one: ".meta.extension" in one[1])


@pytest.mark.parametrize("type_", sorted(types()))
def test_what_is_spoilt_is_refused_at_its_place(type_: str) -> None:
    """Unknown, missing, doubled, hollow, misshapen elements, wrong codes, days, numbers, targets: each by its place."""
    assert all(_places(planted(body)) == set() for body in _bodies(type_))
    for kind in MUTATIONS:
        cases = list(_spoilt(type_, kind))
        assert cases or type_ not in SOME.get(kind, {type_}), kind
        for resource, place in cases:
            assert _places(resource) == {place}, kind


NAMES = ["a", None]


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ({"given": NAMES, "_given": [None, {"extension": [{"url": "u", "valueCode": "unknown"}]}]}, set()),
        ({"given": ["a"], "_given": [None, {"extension": [{"url": "u", "valueCode": "unknown"}]}]}, set()),
        ({"given": NAMES}, {"Patient.name[0].given[1]"}),
        ({"given": NAMES, "_given": [{"id": "x"}, None]}, {"Patient.name[0].given[1]"}),
        ({"given": NAMES, "_given": [None, {"id": "x"}]}, {"Patient.name[0].given[1]"}),
        ({"given": NAMES, "_given": [None, {"extension": [{"url": "u"}]}]}, {"Patient.name[0].given[1].extension[0]"}),
        ({"given": ["a", 1]}, {"Patient.name[0].given[1]"}),
    ],
)
def test_a_missing_one_of_several_is_said_beside_it(name: dict[str, Any], places: set[str]) -> None:
    """null in an array of primitives stands where the array beside it says why, and nowhere else."""
    assert _places({"resourceType": "Patient", "name": [name]}) == places


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"instantiatesCanonical": ["https://a.example/fhir/PlanDefinition/1"]}, set()),
        ({"instantiatesCanonical": ["https://a.example/plans/of/ours|2"]}, set()),
        ({"instantiatesCanonical": ["https://a.example/fhir/Patient/1"]}, {"ServiceRequest.instantiatesCanonical[0]"}),
        ({"requester": {"reference": "urn:uuid:0b4a1d1e-6f0e-4a3c-9f5e-6d2f1a2b3c4d"}}, set()),
        ({"requester": {"reference": "https://a.example/fhir/Practitioner/1"}}, set()),
        ({"requester": {"reference": "https://a.example/fhir/Slot/1/_history/2"}}, {"ServiceRequest.requester"}),
        ({"requester": {"type": "Slot", "identifier": {"value": "1"}}}, {"ServiceRequest.requester"}),
        ({"requester": {"reference": "#"}}, {"ServiceRequest.requester"}),
        (
            {"reasonReference": [{"reference": "Condition/1"}, {"reference": "Slot/1"}]},
            {"ServiceRequest.reasonReference[1]"},
        ),
    ],
)
def test_a_reference_points_at_what_it_may(change: dict[str, Any], places: set[str]) -> None:
    """Local, absolute, versioned, logical, contained and canonical references are held to HL7's types."""
    order = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"display": "x"}}
    assert _places({**order, **change}) == places


def test_a_binary_is_base64() -> None:
    """What claims to be base64 can be read as such, with line ends or without."""
    binary = {"resourceType": "Binary", "contentType": "text/plain"}
    assert _places({**binary, "data": "eWVz"}) == set()
    assert _places({**binary, "data": "eWVz\r\neWVz"}) == set()
    for wrong in ("eWV", "%%%%", "eWVz=", "渝诊"):
        assert _places({**binary, "data": wrong}) == {"Binary.data"}
