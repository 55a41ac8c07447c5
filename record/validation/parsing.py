"""A body read as JSON, refused in bounded time when it is too deep, holds empty values, or repeats a name.

https://hl7.org/fhir/R4/json.html
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from record import definitions
from record.failures import NotJson, ResourceInvalid

DEEPEST = 32
MOST_NODES = 50_000
MOST_VALUES = 200_000
MOST_DIGITS = 64
LARGEST_EXPONENT = 308
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
NAME_THEN_COLON = re.compile(rb'"\s*:')
DIGITS = bytes(ord("0" if chr(byte) in "0123456789." else " ") for byte in range(256))
TOO_LONG = b"0" * (MOST_DIGITS + 1)
MARK = b"\xef\xbb\xbf"


class _Wrong(Exception):
    """What is wrong with one value, wherever it stands."""


def parsed(body: bytes) -> dict[str, Any]:
    """The body's one JSON object. Raises NotJson, ResourceInvalid."""
    if body.startswith(MARK):
        raise NotJson("Send UTF-8 without a byte order mark.")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise NotJson(f"This is not JSON in UTF-8: look at line {wrong.lineno}, column {wrong.colno}.") from None
    if not isinstance(content, dict):
        raise NotJson("The body must be one JSON object.")
    try:
        tree = _Tree(content)
    except _Wrong as wrong:
        raise ResourceInvalid(str(wrong), expression=_where(content)) from None
    # Every name in the text is followed by a colon, so equal counts prove that no name came twice.
    if len(NAME_THEN_COLON.findall(body)) != tree.names:
        json.loads(body, object_pairs_hook=_once, parse_int=_number, parse_float=_number)
    elif tree.is_extreme or (tree.has_fractions and TOO_LONG in body.translate(DIGITS)):
        # A long row of digits may stand in a text, where it is harmless: the numbers themselves are asked.
        json.loads(body, parse_int=_number, parse_float=_number)
    return content


class _Tree:
    """One look at every value, level by level. Raises _Wrong, ResourceInvalid."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.names = 0
        self.has_fractions = self.is_extreme = False
        self._below: list[Any] = []
        nodes = values = 0
        level: list[Any] = [content]
        for _ in range(DEEPEST):
            self._below = []
            for node in level:
                values += len(node)
                if values > MOST_VALUES:
                    raise ResourceInvalid("The resource has too many elements.")
                self._members(node) if type(node) is dict else self._items(node)
            level = self._below
            nodes += len(level)
            if nodes > MOST_NODES:
                raise ResourceInvalid("The resource has too many elements.")
            if not level:
                return
        raise ResourceInvalid(f"Elements are nested more than {DEEPEST} deep.")

    def _members(self, node: dict[str, Any]) -> None:
        if not node:
            raise _Wrong("An object may not be empty. Leave the element out.")
        self.names += len(node)
        for value in node.values():
            if value is None:
                raise _Wrong("null stands only inside the array of a primitive. Leave the element out.")
            self._value(value)

    def _items(self, node: list[Any]) -> None:
        if not node or all(item is None for item in node):
            raise _Wrong("An array may not be empty. Leave the element out.")
        for item in node:
            self._value(item)

    def _value(self, value: Any) -> None:
        kind = type(value)
        if kind is str:
            _text(value)
        elif kind is dict or kind is list:
            self._below.append(value)
        elif kind is float:
            self.has_fractions = True
            # What is too small has become nothing by now.
            self.is_extreme |= not 1e-99 < abs(value) < 1e99


def _text(value: str) -> None:
    if not value or value.isspace():
        raise _Wrong("A text may not be empty. Leave the element out.")
    if not value.isprintable() and CONTROL.search(value):
        raise _Wrong("A text may hold no control characters but tab and line ends.")


def _where(content: dict[str, Any]) -> str | None:
    """The place of the first wrong value, as far as its names are those of elements."""
    root = content.get("resourceType")
    if not isinstance(root, str) or root not in definitions.elements():
        return None
    level: list[tuple[Any, str]] = [(content, root)]
    while level:
        below: list[tuple[Any, str]] = []
        for node, place in level:
            for value, at in _below(node, place):
                if _is_wrong(value, node):
                    return at
                if isinstance(value, dict | list):
                    below.append((value, at))
        level = below
    return None


def _below(node: Any, place: str) -> Iterator[tuple[Any, str]]:
    if isinstance(node, list):
        yield from ((value, f"{place}[{i}]") for i, value in enumerate(node))
        return
    for name, value in node.items():
        known = name.removeprefix("_") in _element_names()
        yield value, f"{place}.{name.removeprefix('_')}" if known else place


def _is_wrong(value: Any, holder: Any) -> bool:
    if isinstance(value, dict | list):
        return not value or (isinstance(value, list) and all(item is None for item in value))
    if isinstance(value, str):
        return not value or value.isspace() or CONTROL.search(value) is not None
    return value is None and isinstance(holder, dict)


@cache
def _element_names() -> frozenset[str]:
    return frozenset(name for table in definitions.elements().values() for name in table)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ResourceInvalid("An object names one element twice.")
    return members


def _number(text: str) -> int:
    digits, _, exponent = text.casefold().partition("e")
    if len(digits) > MOST_DIGITS or abs(int(exponent[:9] or 0)) > LARGEST_EXPONENT:
        raise ResourceInvalid(f"A number has {MOST_DIGITS} digits at most, and an exponent up to {LARGEST_EXPONENT}.")
    return 0
