"""A body read as JSON, refused in bounded time when it is too deep, holds empty values, or repeats a name.

https://hl7.org/fhir/R4/json.html
"""

import json
import re
from typing import Any

import orjson

from record.failures import NotJson, ResourceInvalid

DEEPEST = 32
MOST_NODES = 50_000
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
NAME_THEN_COLON = re.compile(rb'"\s*:')


def parsed(body: bytes) -> dict[str, Any]:
    """The body's one JSON object. Raises NotJson, ResourceInvalid."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise NotJson(f"Line {wrong.lineno}, column {wrong.colno}.") from None
    if not isinstance(content, dict):
        raise NotJson("The body must be one JSON object.")
    names = _walk(content)
    # Every name in the text is followed by a colon, so equal counts prove that no name came twice.
    if len(NAME_THEN_COLON.findall(body)) != names:
        json.loads(body, object_pairs_hook=_once)
    return content


def _walk(content: dict[str, Any]) -> int:
    """The number of names in the tree. Raises ResourceInvalid."""
    names = seen = 0
    level: list[Any] = [content]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                names += len(node)
                below += _members(node)
            else:
                below += _items(node)
        seen += len(below)
        if seen > MOST_NODES:
            raise ResourceInvalid("The resource has too many elements.")
        level = below
        if not level:
            return names
    raise ResourceInvalid(f"Elements are nested more than {DEEPEST} deep.")


def _members(node: dict[str, Any]) -> list[Any]:
    """The values that can hold more; empty ones are refused."""
    if not node:
        raise ResourceInvalid("An object may not be empty. Leave the element out.")
    for value in node.values():
        if value is None:
            raise ResourceInvalid("null stands only inside the array of a primitive. Leave the element out.")
        _text(value)
    return [value for value in node.values() if isinstance(value, dict | list)]


def _items(node: list[Any]) -> list[Any]:
    if not node or all(item is None for item in node):
        raise ResourceInvalid("An array may not be empty. Leave the element out.")
    for item in node:
        _text(item)
    return [item for item in node if isinstance(item, dict | list)]


def _text(value: Any) -> None:
    if isinstance(value, str):
        if not value or value.isspace():
            raise ResourceInvalid("A text may not be empty. Leave the element out.")
        if CONTROL.search(value):
            raise ResourceInvalid("A text may hold no control characters but tab and line ends.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ResourceInvalid("An object names one element twice.")
    return members
