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

from kernel.http import SERVED, CommandRoute
from record.canonical import BASE
from record.conformance.published import PARAMETERS
from record.index.parameters import SEARCHES, Kind, parameters
from record.interactions.operations import OPERATION, Operation
from record.ownership import KEPT_APART
from record.splice import instant

FHIR_VERSION = "4.0.1"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
PLACE = re.compile(r"/fhir(?:/(?P<type>[A-Z][A-Za-z]+))?(?P<rest>(?:/.*)?)")
OPERATION_NAME = re.compile(r"\$([a-z][a-z\-]*)$")
TYPE_PART = re.compile(r"\{type:\w+\}")
CONDITIONAL = "x-fhir-conditional"
"""The mark of a create route that creates on condition (If-None-Exist), too."""
UPDATE_CREATES = "x-fhir-update-creates"
"""Under this name an update route lists the types in which a PUT to an unknown id makes the resource."""
PATCHES = "x-fhir-patches"
"""Under this name a patch route lists the media types of the patches it takes."""
UNLISTED = "x-fhir-unlisted"
"""The mark of a route that tells what is served and is no interaction itself."""
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
OF_THE_SYSTEM = (
    ("GET", "", "search-system"),
    ("GET", "/_history", "history-system"),
    ("POST", "", "transaction"),
    ("POST", "", "batch"),
)
CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "PUT": {"conditionalUpdate": True},
    "DELETE": {"conditionalDelete": "single"},
    "PATCH": {"documentation": "Resources are patched by criteria, too."},
}
"""What a method at the address of a type, with criteria after the question mark, offers."""
COMMON = (("_id", "token", "Resource-id"), ("_lastUpdated", "date", "Resource-lastUpdated"))


@dataclass(slots=True)
class RoomCapability:
    """What one room serves: type -> CapabilityStatement.rest.resource, and what it serves of the whole system."""

    room: str
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    interactions: list[dict[str, Any]] = field(default_factory=list)
    operations: list[dict[str, Any]] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)

    @classmethod
    def from_statement(cls, room: str, said: Mapping[str, Any]) -> Self:
        """What a room's own CapabilityStatement says."""
        rest = said["rest"][0]
        resources = {one["type"]: one for one in rest.get("resource", ())}
        return cls(room, resources, rest.get("interaction", []), rest.get("operation", []), said.get("patchFormat", []))


@dataclass(frozen=True, slots=True)
class Served:
    """One route for one type, or of the whole system when `type` is empty."""

    type: str
    rest: str
    """What follows the type in the address."""
    methods: frozenset[str]
    marks: Mapping[str, Any]
    about: str
    """What its own docstring says of it."""
    changes: bool


def capability_of(room: str, routes: Sequence[BaseRoute]) -> RoomCapability:
    """What a room's routes serve."""
    mine = RoomCapability(room)
    for one in served(routes):
        if name := OPERATION_NAME.search(one.rest):
            _add_operation(mine, one, name[1])
        elif one.type:
            _add_to_type(_resource(mine, one.type), one)
        else:
            mine.interactions += [{"code": code} for code in codes_of(one, OF_THE_SYSTEM)]
        mine.patches += [form for form in one.marks.get(PATCHES, ()) if form not in mine.patches]
    for resource in mine.resources.values():
        _conclude(resource)
    return mine


def served(routes: Sequence[BaseRoute]) -> Iterator[Served]:
    """Every FHIR route; one over several types once for each of them."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        marks = getattr(route, "openapi_extra", None) or {}
        if not isinstance(route, APIRoute) or UNLISTED in marks:
            continue
        for type_ in marks.get(SERVED, [""]):
            if place := PLACE.fullmatch(TYPE_PART.sub(type_, route.path)):
                about, changes = route.description, isinstance(route, CommandRoute)
                yield Served(place["type"] or "", place["rest"], frozenset(route.methods or ()), marks, about, changes)


def statement(rooms: Iterable[RoomCapability], *, base: str, issuer: str, now: datetime) -> dict[str, Any]:
    """One CapabilityStatement for all these rooms; `issuer` is the address under which people sign in."""
    listed = list(rooms)
    patches = dict.fromkeys(form for room in listed for form in room.patches)
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
        **({"patchFormat": list(patches)} if patches else {}),
        "rest": [_rest(listed, issuer)],
    }


def _rest(rooms: Sequence[RoomCapability], issuer: str) -> dict[str, Any]:
    resources = {type_: resource for room in rooms for type_, resource in room.resources.items()}
    rest: dict[str, Any] = {"mode": "server", "security": _security(issuer)}
    interactions = {one["code"]: one for room in rooms for one in room.interactions}
    operations = {one["name"]: one for room in rooms for one in room.operations}
    if resources:
        rest["resource"] = [resources[type_] for type_ in sorted(resources)]
    if interactions:
        rest["interaction"] = list(interactions.values())
    if operations:
        rest["operation"] = list(operations.values())
    return rest


def _security(issuer: str) -> dict[str, Any]:
    """Where a client gets its token (https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html)."""
    places = [{"url": name, "valueUri": f"{issuer}/{name}"} for name in ("authorize", "token")]
    return {
        "extension": [{"url": OAUTH_URIS, "extension": places}],
        "cors": False,
        "service": [{"coding": [{"system": f"{TERMINOLOGY}/restful-security-service", "code": "OAuth"}]}],
        "description": "OAuth 2.0 bearer tokens.",
    }


def codes_of(one: Served, table: Iterable[tuple[str, str, str]]) -> list[str]:
    """The interactions of a table that this route offers."""
    return [code for method, path, code in table if method in one.methods and re.fullmatch(path, one.rest)]


def _resource(mine: RoomCapability, type_: str) -> dict[str, Any]:
    return mine.resources.setdefault(type_, {"type": type_})


def _add_to_type(resource: dict[str, Any], one: Served) -> None:
    for code in codes_of(one, INTERACTIONS):
        resource.setdefault("interaction", []).append({"code": code})
    if not one.rest:
        for method in CONDITIONS.keys() & one.methods:
            resource |= CONDITIONS[method]
    if one.marks.get(CONDITIONAL):
        resource["conditionalCreate"] = True
    if resource["type"] in one.marks.get(UPDATE_CREATES, ()):
        resource["updateCreate"] = True


def _conclude(resource: dict[str, Any]) -> None:
    """What follows from the interactions, and how the type is searched."""
    codes = {one["code"] for one in resource.get("interaction", ())}
    versioning = "versioned-update" if "update" in codes else "versioned" if "vread" in codes else "no-version"
    flags = {"updateCreate": False, "conditionalCreate": False, "conditionalUpdate": False}
    resource |= {"versioning": versioning, "readHistory": "vread" in codes}
    resource |= flags | {"conditionalDelete": "not-supported"} | resource
    if resource["type"] in PARAMETERS:
        resource |= _published(resource["type"])
    elif "search-type" in codes:
        resource |= {"conditionalRead": "full-support"} | _searched(resource["type"])


def _published(type_: str) -> dict[str, Any]:
    """How a type that is generated is searched."""
    return {"searchParam": [{"name": name, "type": kind} for name, kind in PARAMETERS[type_].items()]}


def _searched(type_: str) -> dict[str, Any]:
    mine = parameters(type_).values()
    include = [f"{type_}:{p.code}" for p in mine if p.kind is Kind.REFERENCE]
    pointing = (p for other in SEARCHES for p in parameters(other).values() if type_ in p.targets)
    common = [
        {"name": name, "type": kind, "definition": f"http://hl7.org/fhir/SearchParameter/{url}"}
        for name, kind, url in COMMON
    ]
    own = [{"name": p.code, "type": p.kind.value, "definition": p.url} for p in mine]
    found: dict[str, Any] = {"searchParam": common + own}
    if type_ in KEPT_APART:
        return found
    if include:
        found["searchInclude"] = ["*", *include]
    if revinclude := sorted(f"{p.type}:{p.code}" for p in pointing if p.type not in KEPT_APART):
        found["searchRevInclude"] = ["*", *revinclude]
    return found


def _add_operation(mine: RoomCapability, one: Served, name: str) -> None:
    said = {"name": name, "definition": operation_of(one).canonical(one.type, name)}
    operations = _resource(mine, one.type).setdefault("operation", []) if one.type else mine.operations
    if said not in operations:
        operations.append(said)


def operation_of(one: Served) -> Operation:
    """What the route of an operation says of it."""
    said = one.marks.get(OPERATION)
    return said if isinstance(said, Operation) else Operation()
