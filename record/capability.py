"""The CapabilityStatement, generated from the routes that really exist and the parameters that really are indexed.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from record.canonical import BASE
from record.parameters import SEARCHES, Kind, parameters
from record.splice import instant

FHIR_VERSION = "4.0.1"
PLACE = re.compile(r"/fhir/(?P<type>[A-Z][A-Za-z]+)?(?P<rest>.*)")
OPERATION = re.compile(r"\$([a-z][a-z\-]*)$")
TYPE_PART = re.compile(r"\{type:\w+\}")
SERVED = "x-fhir-types"
"""Under this name a route over several types lists those for which it offers something."""
ID = r"/\{\w+(:\w+)?\}"
INTERACTIONS = (
    ("GET", "", "search-type"),
    ("GET", ID, "read"),
    ("GET", f"{ID}/_history/{ID[1:]}", "vread"),
    ("GET", f"{ID}/_history", "history-instance"),
    ("GET", "/_history", "history-type"),
    ("POST", "", "create"),
    ("PUT", ID, "update"),
    ("DELETE", ID, "delete"),
    ("PATCH", ID, "patch"),
)
COMMON = (("_id", "token", "Resource-id"), ("_lastUpdated", "date", "Resource-lastUpdated"))


@dataclass(slots=True)
class RoomCapability:
    """What one room serves: type -> CapabilityStatement.rest.resource, and operations of the whole system."""

    room: str
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_statement(cls, room: str, said: Mapping[str, Any]) -> Self:
        """What a room's own CapabilityStatement says."""
        rest = said["rest"][0]
        return cls(room, {one["type"]: one for one in rest.get("resource", ())}, rest.get("operation", []))


def capability_of(room: str, routes: Sequence[BaseRoute]) -> RoomCapability:
    """What a room's routes serve."""
    mine = RoomCapability(room)
    for path, methods in _paths(routes):
        place = PLACE.fullmatch(path)
        if place is None or path == "/fhir/metadata":
            continue
        if operation := OPERATION.search(path):
            _add_operation(mine, place["type"], operation[1])
        elif place["type"]:
            for interaction in _interactions(methods, place["rest"]):
                _add_interaction(_resource(mine, place["type"]), interaction)
    return mine


def statement(rooms: Iterable[RoomCapability], *, base: str, now: datetime) -> dict[str, Any]:
    """One CapabilityStatement for all these rooms."""
    listed = list(rooms)
    resources = {type_: resource for room in listed for type_, resource in room.resources.items()}
    operations = [operation for room in listed for operation in room.operations]
    rest: dict[str, Any] = {"mode": "server", "security": {"cors": False, "description": "OAuth 2.0 bearer tokens."}}
    if resources:
        rest["resource"] = [resources[type_] for type_ in sorted(resources)]
    if operations:
        rest["operation"] = operations
    return {
        "resourceType": "CapabilityStatement",
        "url": f"{BASE}/CapabilityStatement/yuzhen",
        "name": "Yuzhen",
        "status": "active",
        "date": instant(now),
        "kind": "instance",
        "software": {"name": "Yuzhen 渝诊"},
        "implementation": {
            "description": "Booking, visits, prescriptions and pharmacy of a city's hospitals",
            "url": base,
        },
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [rest],
    }


def _paths(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, set[str]]]:
    """Every path and its methods; a route over several types once for each of them."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for type_ in (route.openapi_extra or {}).get(SERVED, [""]):
                yield TYPE_PART.sub(type_, route.path), set(route.methods or ())


def _interactions(methods: set[str], rest: str) -> Iterator[str]:
    for method, path, interaction in INTERACTIONS:
        if method in methods and re.fullmatch(path, rest):
            yield interaction


def _resource(mine: RoomCapability, type_: str) -> dict[str, Any]:
    return mine.resources.setdefault(type_, _declared(type_))


def _declared(type_: str) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "type": type_,
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "full-support",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
    }
    if type_ in SEARCHES:
        resource |= _searched(type_)
    return resource


def _searched(type_: str) -> dict[str, Any]:
    mine = parameters(type_).values()
    include = [f"{type_}:{p.code}" for p in mine if p.kind is Kind.REFERENCE]
    pointing = (p for other in SEARCHES for p in parameters(other).values() if type_ in p.targets)
    common = [
        {"name": name, "type": kind, "definition": f"http://hl7.org/fhir/SearchParameter/{url}"}
        for name, kind, url in COMMON
    ]
    own = [{"name": p.code, "type": p.kind.value, "definition": p.url} for p in mine]
    searched: dict[str, Any] = {"searchParam": common + own}
    if type_ == "AuditEvent":
        return searched
    if include:
        searched["searchInclude"] = include
    if revinclude := sorted(f"{p.type}:{p.code}" for p in pointing if p.type != "AuditEvent"):
        searched["searchRevInclude"] = revinclude
    return searched


def _add_interaction(resource: dict[str, Any], code: str) -> None:
    resource.setdefault("interaction", []).append({"code": code})


def _add_operation(mine: RoomCapability, type_: str | None, name: str) -> None:
    owner = type_ or "System"
    said = {"name": name, "definition": f"{BASE}/OperationDefinition/{owner}-{name}"}
    operations = _resource(mine, type_).setdefault("operation", []) if type_ else mine.operations
    if said not in operations:
        operations.append(said)
