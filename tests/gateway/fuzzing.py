"""Requests made up from the published OpenAPI document and sent to the running platform, each answer looked at.

https://schemathesis.readthedocs.io
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Err, Ok

from kernel.auth.principal import Role
from record.validation.checking import faults_of
from tests.support.platform import Platform
from tests.support.rooms import token

SEED = 20261125
FHIR = "application/fhir+json"
PLAIN = frozenset({"/openapi.json"})


@dataclass(slots=True)
class Fuzz:
    """What was sent and what was wrong with the answers."""

    sent: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


def operations(document: Mapping[str, Any]) -> list[Any]:
    """Every operation of the document."""
    loaded = schemathesis.openapi.from_dict(dict(document))
    found = list(loaded.get_all_operations())
    assert [one for one in found if isinstance(one, Err)] == []
    return [one.ok() for one in found if isinstance(one, Ok)]


def shallow(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what datatypes are made of: made up at once, instead of in seconds for each operation."""
    components = document["components"]
    schemas = {
        name: schema if "resourceType" in (inside := schema.get("properties", {})) or not inside else {"type": "object"}
        for name, schema in components["schemas"].items()
    }
    return {**document, "components": {**components, "schemas": schemas}}


def tokens(platform: Platform) -> tuple[str, ...]:
    """Someone of each role, and nobody."""
    settings_ = platform.settings
    return (
        *(token(settings_, Role.SYSTEM),) * 5,
        token(settings_, Role.PATIENT, fhir_user="Patient/patient-001"),
        token(settings_, Role.PRACTITIONER, fhir_user="Practitioner/nobody", clinics=("HealthcareService/none",)),
        token(settings_, Role.PHARMACIST, organization="Organization/none"),
        token(settings_, Role.ADMIN),
        "",
    )


def fuzz(platform: Platform, chosen: Iterable[Any], *, examples: int) -> Fuzz:
    """So many requests for each operation, sound and unsound ones in turn, always the same ones."""
    found, known = Fuzz(), tokens(platform)
    with requests.Session() as session:
        for operation in chosen:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _each(operation, mode, examples, lambda case, by: _sent(platform, session, case, by, found), known)
    return found


def _each(operation: Any, mode: GenerationMode, examples: int, send: Any, known: Sequence[str]) -> None:
    @seed(SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode), by=st.sampled_from(known))
    def sent(case: "Case[Any]", by: str) -> None:
        send(case, by)

    try:
        sent()
    except (Unsatisfiable, schemathesis.errors.SchemathesisError):
        # Nothing unsound can be made up where everything is sound, as for an id.
        if mode is GenerationMode.POSITIVE:
            raise


def _sent(platform: Platform, session: requests.Session, case: "Case[Any]", by: str, found: Fuzz) -> None:
    headers = {"Authorization": f"Bearer {by}"} if by else {}
    started = time.perf_counter()
    answer = case.call(base_url=f"{platform.address}/fhir", session=session, headers=headers)
    found.slowest = max(found.slowest, time.perf_counter() - started)
    found.sent += 1
    found.by_status[answer.status_code] = found.by_status.get(answer.status_code, 0) + 1
    for fault in faults(answer.status_code, answer.headers, answer.content):
        found.faults.append(f"{fault}: {case.method} {case.formatted_path} {case.query} {str(case.body)[:300]}")


def faults(status: int, headers: Mapping[str, Any], body: bytes) -> Iterator[str]:
    """What is wrong with an answer of the FHIR interface."""
    if status >= 500:
        yield f"status {status}"
    if status in {204, 304} or not body:
        return
    said = headers.get("content-type", [""])
    content_type = said[0] if isinstance(said, list) else said
    if not str(content_type).startswith(FHIR):
        yield f"status {status} with content type {content_type}"
        return
    resource = orjson.loads(body)
    if status >= 400 and resource.get("resourceType") != "OperationOutcome":
        yield f"status {status} without an OperationOutcome"
    if wrong := faults_of(resource, brief=True):
        yield f"status {status} with {resource.get('resourceType')} that is not sound: {wrong[0].issues()[0]}"
