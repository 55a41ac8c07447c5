"""The answer to a Bundle: one entry for each one asked, in their order (https://hl7.org/fhir/R4/http.html#transaction-response)."""

from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from record.bundles.entries import gist_of
from record.splice import instant


def answered(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """What an interaction answered, as an entry; header names are lower case. Stored bytes stay what they are."""
    response: dict[str, Any] = {"status": str(status)}
    for element, header in (("location", "location"), ("etag", "etag")):
        if header in headers:
            response[element] = headers[header]
    if "last-modified" in headers:
        response["lastModified"] = instant(parsedate_to_datetime(headers["last-modified"]))
    told = orjson.dumps(response)
    if not body or not headers.get("content-type", "").startswith("application/fhir+json"):
        return b'{"response":' + told + b"}"
    if gist_of(body).resource_type == "OperationOutcome":
        return b'{"response":' + told[:-1] + b',"outcome":' + body + b"}}"
    return b'{"resource":' + body + b',"response":' + told + b"}"


def assembled(type_: str, entries: Iterable[bytes]) -> bytes:
    """The Bundle of these entries: `batch-response` or `transaction-response`."""
    head = orjson.dumps({"resourceType": "Bundle", "type": type_})[:-1]
    listed = b",".join(entries)
    return head + (b',"entry":[' + listed + b"]}" if listed else b"}")
