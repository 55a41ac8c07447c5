"""HL7's R4 definitions as packed tables, unpacked at first use (README.md names source and licence)."""

import lzma
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent

Element = Mapping[str, Any]
"""type, and where they apply: many, least, choice (name without its type), targets (types), codes (system -> codes),
simple (a quantity without comparator), summary (shown in a summary)."""


def _unpack(name: str) -> Any:
    return orjson.loads(lzma.decompress((HERE / f"{name}.json.xz").read_bytes()))


@cache
def schemas() -> Mapping[str, Any]:
    """Definition name -> JSON schema, without prose."""
    return _unpack("schema")  # type: ignore[no-any-return]


def needed_by(types: Iterable[str]) -> dict[str, Any]:
    """The schemas of these types and of everything they are made of."""
    needed: dict[str, Any] = {}
    wanted = list(types)
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed[name] = schemas()[name]
            wanted += references(needed[name])
    return needed


def references(node: Any) -> list[str]:
    """The schemas a schema, or a document of schemas, refers to."""
    if isinstance(node, list):
        return [name for item in node for name in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
    return own + [name for value in node.values() for name in references(value)]


@cache
def elements() -> Mapping[str, Mapping[str, Element]]:
    """Type or backbone path (`Appointment.participant`) -> element as spelt in JSON -> what it may hold."""
    return _unpack("elements")  # type: ignore[no-any-return]


@cache
def search_parameters() -> Sequence[Mapping[str, Any]]:
    """HL7's search parameters: code, type, base (types), expression, target (types), url; of a composite
    its component (definition, expression)."""
    return _unpack("search")  # type: ignore[no-any-return]
