"""HL7's R4 definitions as packed tables, unpacked at first use (README.md names source and licence)."""

import lzma
from collections.abc import Mapping, Sequence
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


@cache
def elements() -> Mapping[str, Mapping[str, Element]]:
    """Type or backbone path (`Appointment.participant`) -> element as spelt in JSON -> what it may hold."""
    return _unpack("elements")  # type: ignore[no-any-return]


@cache
def search_parameters() -> Sequence[Mapping[str, Any]]:
    """HL7's search parameters: code, type, base (types), expression, target (types), url; of a composite
its component (definition, expression)."""
    return _unpack("search")  # type: ignore[no-any-return]
