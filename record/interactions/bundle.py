"""Bundles put together from stored bytes, and OperationOutcomes (https://hl7.org/fhir/R4/bundle.html).

Nothing is written anew: the bytes of a resource in a Bundle are the bytes that were stored.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from record.interactions.summary import WHOLE, View
from record.splice import instant
from record.stored import Stored

Entry = Stored | Mapping[str, Any]


def bundle(entries: Iterable[Entry], *, type: str, base: str = "", total: int | None = None) -> bytes:
    """A Bundle of whole resources in the order given. `base` is the address that ends in /fhir, for fullUrl."""
    return _bundle(type, [_entry(entry, base) for entry in entries], total=total)


def searchset(
    matches: Iterable[Stored],
    includes: Iterable[Stored] = (),
    *,
    base: str,
    links: Mapping[str, str],
    total: int | None = None,
    warnings: Mapping[str, Any] | None = None,
    until: datetime | None = None,
    view: View = WHOLE,
) -> bytes:
    """A page of a search; `warnings` is an OperationOutcome about the search itself. `_elements` are of matches.

    `until` is the instant up to which nothing is missing.
    """
    along = WHOLE if view.elements else view
    entries = [_entry(match, base, mode=b"match", view=view) for match in matches]
    entries += [_entry(include, base, mode=b"include", view=along) for include in includes]
    if warnings:
        entries.append(_entry(warnings, base, mode=b"outcome"))
    return _bundle("searchset", entries, total=total, links=links, at=until)


def historyset(
    versions: Iterable[Stored],
    *,
    base: str,
    links: Mapping[str, str],
    total: int | None = None,
    until: datetime | None = None,
    view: View = WHOLE,
) -> bytes:
    """Versions, newest first, each with the request that made it; `until` is where the history ends for now."""
    entries = [_past(version, base, view) for version in versions]
    return _bundle("history", entries, total=total, links=links, at=until)


def outcome(severity: str, code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "details": {"text": text}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _bundle(
    type_: str,
    entries: list[bytes],
    *,
    total: int | None = None,
    links: Mapping[str, str] | None = None,
    at: datetime | None = None,
) -> bytes:
    head: dict[str, Any] = {"resourceType": "Bundle", "type": type_}
    if at is not None:
        head["meta"] = {"lastUpdated": instant(at)}
    if total is not None:
        head["total"] = total
    if links:
        head["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    start = orjson.dumps(head)
    return start if not entries else start[:-1] + b',"entry":[' + b",".join(entries) + b"]}"


def _entry(entry: Entry, base: str, *, mode: bytes = b"", view: View = WHOLE) -> bytes:
    search = b',"search":{"mode":"' + mode + b'"}' if mode else b""
    if isinstance(entry, Stored):
        full_url = orjson.dumps(f"{base}/{entry.reference}")
        body = entry.body if view.whole else view.of(entry.body)
        return b'{"fullUrl":' + full_url + b',"resource":' + body + search + b"}"
    return b'{"resource":' + orjson.dumps(entry) + search + b"}"


def _past(version: Stored, base: str, view: View) -> bytes:
    method = "DELETE" if version.deleted else "POST" if version.version == 1 else "PUT"
    request = {"method": method, "url": version.type if method == "POST" else version.reference}
    status = {"POST": "201", "PUT": "200", "DELETE": "204"}[method]
    response = {"status": status, "etag": version.etag, "lastModified": instant(version.updated_at)}
    body = version.body if view.whole or version.deleted else view.of(version.body)
    resource = b"" if version.deleted else b',"resource":' + body
    full_url = orjson.dumps(f"{base}/{version.reference}")
    told = b',"request":' + orjson.dumps(request) + b',"response":' + orjson.dumps(response)
    return b'{"fullUrl":' + full_url + resource + told + b"}"
