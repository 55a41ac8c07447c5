"""Searching what is published of the interface itself: SearchParameter and OperationDefinition.

They are generated, not stored, and few; so a search goes through them one by one. https://hl7.org/fhir/R4/search.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from record.failures import ModifierUnknown, ParameterUnknown, ResourceUnknown, ValueUnreadable

Resource = Mapping[str, Any]
Query = Sequence[tuple[str, str]]

PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "SearchParameter": {
        **{"_id": "token", "url": "uri", "name": "string", "code": "token", "base": "token", "type": "token"},
        **{"target": "token", "status": "token"},
    },
    "OperationDefinition": {
        **{"_id": "token", "url": "uri", "name": "string", "code": "token", "kind": "token", "status": "token"},
        **{"system": "token", "type": "token", "instance": "token"},
    },
}
"""Search parameters of the published types; each searches the element of its name."""
LONGEST = 2_000


def read(resources: Sequence[Resource], id: str) -> Resource:
    """The resource with this id. Raises ResourceUnknown."""
    for resource in resources:
        if resource["id"] == id:
            return resource
    raise ResourceUnknown


def search(resources: Sequence[Resource], type: str, query: Query, *, base: str) -> dict[str, Any]:
    """A page of what fits, as a Bundle. Raises ParameterUnknown, ModifierUnknown, ValueUnreadable."""
    counts = {"_count": LONGEST, "_offset": 0}
    fits: list[Callable[[Resource], bool]] = []
    for name, value in query:
        if name in counts:
            counts[name] = _number(name, value)
        else:
            fits.append(_condition(type, name, value))
    found = [resource for resource in resources if all(fit(resource) for fit in fits)]
    first, end = counts["_offset"], counts["_offset"] + counts["_count"]
    links = {"self": query}
    if counts["_count"] and end < len(found):
        links["next"] = [*(pair for pair in query if pair[0] != "_offset"), ("_offset", str(end))]
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": name, "url": f"{base}/{type}?{urlencode(to)}"} for name, to in links.items()],
    }
    if entries := [_entry(resource, f"{base}/{type}") for resource in found[first:end]]:
        bundle["entry"] = entries
    return bundle


def _entry(resource: Resource, place: str) -> dict[str, Any]:
    return {"fullUrl": f"{place}/{resource['id']}", "resource": resource, "search": {"mode": "match"}}


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueUnreadable(f"{name} must be a whole number.")
    return min(int(value), LONGEST)


def _condition(type_: str, name: str, value: str) -> Callable[[Resource], bool]:
    code, _, modifier = name.partition(":")
    kind = PARAMETERS[type_].get(code)
    if kind is None:
        raise ParameterUnknown(f"{type_} is searched by: {', '.join(PARAMETERS[type_])}.")
    if modifier:
        raise ModifierUnknown
    if not value:
        raise ValueUnreadable(f"'{code}' has no value.")
    wanted = value.split(",")
    if kind == "string":
        starts = tuple(one.casefold() for one in wanted)
        return lambda resource: any(one.casefold().startswith(starts) for one in _values(resource, code))
    return lambda resource: not set(wanted).isdisjoint(_values(resource, code))


def _values(resource: Resource, code: str) -> list[str]:
    value = resource.get(code.removeprefix("_"), [])
    listed = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in listed]
