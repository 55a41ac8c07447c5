"""The OpenAPI document of the FHIR interface, and requests made up from it."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
import requests

from tests.gateway.fuzzing import fuzz, operations, shallow
from tests.support.platform import Platform

CHOSEN = frozenset({"", "Appointment", "Slot", "Patient", "Observation", "MedicationRequest", "Task"})
"""The types everything is made up of here, `""` being the whole system; `make prove` makes up everything of all."""


@pytest.fixture(scope="module")
def document(rough: Platform) -> Mapping[str, Any]:
    """What the gateway publishes."""
    answer = requests.get(f"{rough.address}/fhir/openapi.json", timeout=30)
    assert answer.headers["content-type"] == "application/json"
    return orjson.loads(answer.content)  # type: ignore[no-any-return]


def test_it_says_what_the_capability_statement_says(rough: Platform, document: Mapping[str, Any]) -> None:
    """Every type's interactions and search parameters are in it, and nothing else is."""
    said = orjson.loads(requests.get(f"{rough.address}/fhir/metadata", timeout=30).content)["rest"][0]
    assert document["openapi"] == "3.1.0"
    types = {resource["type"] for resource in said["resource"]}
    assert {path.split("/")[1] for path in document["paths"]} - types == {"metadata", "_history", ""}
    for resource in said["resource"]:
        if "searchParam" in resource:
            asked = {one["name"] for one in document["paths"][f"/{resource['type']}"]["get"]["parameters"]}
            assert {one["name"] for one in resource["searchParam"]} <= asked


def test_every_reference_in_it_leads_somewhere(document: Mapping[str, Any]) -> None:
    """Each `$ref` names a part of the document itself."""
    found = _references(document)
    assert found
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert isinstance(place, dict)


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {found for inner in node for found in _references(inner)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*(_references(inner) for inner in node.values()))


def test_questions_made_up_from_it(rough: Platform, document: Mapping[str, Any]) -> None:
    """Searches of every type, and all questions to some, by every role: no 5xx, each answer sound FHIR."""
    asked = [one for one in operations(shallow(document)) if one.method == "get" and _is_asked(one.path)]
    found = fuzz(rough, asked, examples=1)
    assert found.faults == []
    assert {200, 400, 401, 403, 404} <= found.by_status.keys()


def test_commands_made_up_from_it(rough: Platform, document: Mapping[str, Any]) -> None:
    """Every change, operation and Bundle of some types, by every role: as clear."""
    told = [one for one in operations(shallow(document)) if one.method != "get" and _type_in(one.path) in CHOSEN]
    found = fuzz(rough, told, examples=2)
    assert found.faults == []
    assert found.sent > 100


def _type_in(path: str) -> str:
    return path.split("/")[1]


def _is_asked(path: str) -> bool:
    return _type_in(path) in CHOSEN or path.count("/") == 1
