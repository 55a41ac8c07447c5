"""The OperationDefinition resources of the operations that really have a route.

https://hl7.org/fhir/R4/operationdefinition.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute

from record.conformance.capability import OPERATION_NAME, Served, operation_of, served
from record.conformance.search_parameters import name_of
from record.interactions.operations import Given
from record.interactions.validating import PROFILES

POINTS_AT = re.compile(r"Reference\((\w+)\)")
Resource = dict[str, Any]


def operation_definitions(routes: Sequence[BaseRoute]) -> list[Resource]:
    """The operations of a room's routes."""
    return merged(_definition(one, name[1]) for one in served(routes) if (name := OPERATION_NAME.search(one.rest)))


def merged(definitions: Iterable[Resource]) -> list[Resource]:
    """One definition for each address: an operation may be asked by several methods and of several types."""
    found: dict[str, Resource] = {}
    for definition in definitions:
        known = found.setdefault(definition["url"], definition)
        for level in ("system", "type", "instance"):
            known[level] = known[level] or definition[level]
        if "resource" in definition:
            known["resource"] = sorted({*known.get("resource", ()), *definition["resource"]})
    return sorted(found.values(), key=lambda one: str(one["url"]))


def _definition(one: Served, name: str) -> Resource:
    operation = operation_of(one)
    url = operation.canonical(one.type, name)
    instance = not one.rest.startswith("/$")
    return {
        "resourceType": "OperationDefinition",
        "id": url.rpartition("/")[2],
        "url": url,
        "name": name_of(name),
        "status": "active",
        "kind": "operation",
        "description": one.about,
        "affectsState": one.changes,
        "code": name,
        **({"resource": [one.type]} if one.type else {}),
        "system": not one.type,
        "type": bool(one.type) and not instance,
        "instance": instance,
        **({"parameter": list(_parameters(operation.parameters))} if operation.parameters else {}),
    }


def _parameters(given: Iterable[Given]) -> Iterator[Mapping[str, Any]]:
    for one in given:
        parameter: Resource = {"name": one.name, "use": one.use, "min": one.min, "max": one.max}
        if points := POINTS_AT.fullmatch(one.type):
            parameter |= {"type": "Reference", "targetProfile": [PROFILES + points[1]]}
        elif not one.parts:
            parameter["type"] = one.type
        if one.parts:
            parameter["part"] = list(_parameters(one.parts))
        yield parameter
