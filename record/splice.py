"""Exact bytes: a resource gets its id and meta without any other byte of a value being written anew."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson

Fields = dict[str, msgspec.Raw]

decoded = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
"""A resource's content with its decimals exact."""

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_join = msgspec.json.Encoder().encode


def instant(at: datetime) -> str:
    """A FHIR instant in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamped(resource: Mapping[str, Any] | bytes, *, id: str, version: int, at: datetime) -> bytes:
    """The resource's bytes with these id, versionId and lastUpdated; the client's other meta is kept."""
    fields = _split(resource if isinstance(resource, bytes) else orjson.dumps(resource))
    meta: Fields = _split(fields["meta"]) if "meta" in fields else {}
    meta["versionId"], meta["lastUpdated"] = _raw(str(version)), _raw(instant(at))
    first: Fields = {"resourceType": fields["resourceType"], "id": _raw(id), "meta": msgspec.Raw(_join(meta))}
    return _join(first | {name: value for name, value in fields.items() if name not in first})


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(orjson.dumps(text))
