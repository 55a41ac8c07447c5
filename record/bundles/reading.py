"""The reads and searches of a transaction: asked last, and answered as a request of their own would be."""

import re
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.failures import Forbidden
from record.bundles.entries import Entry
from record.failures import EntryUnreadable
from record.interactions import reading
from record.ownership import types

ID = r"([A-Za-z0-9\-.]{1,64})"
Answer = Callable[..., Awaitable[Response]]
FORMS: tuple[tuple[re.Pattern[str], Answer], ...] = (
    (re.compile(""), reading.answer_search),
    (re.compile(ID), reading.answer_read),
    (re.compile(f"{ID}/_history/{ID}"), reading.answer_vread),
)


async def answer_reading(request: Request, entry: Entry, by: Principal) -> Response:
    """What a GET or HEAD inside a transaction finds. Raises EntryUnreadable, Forbidden, and what reading raises."""
    if by.role not in types()[entry.type].readers:
        raise Forbidden
    type_, _, rest = entry.path.partition("/")
    for form, answer in FORMS:
        if place := form.fullmatch(rest):
            return await answer(_inner(request, entry), type_, *place.groups(), by)
    raise EntryUnreadable("Inside a transaction: Patient/1, Patient/1/_history/2 or Patient?name=x.")


def _inner(request: Request, entry: Entry) -> Request:
    """The entry as a request of its own, in the same transaction and by the same account."""
    said = {
        b"accept": "application/fhir+json",
        b"if-none-match": entry.if_none_match,
        b"if-modified-since": entry.if_modified_since,
    }
    mine = [(name, value.encode("latin-1", "replace")) for name, value in said.items() if value is not None]
    kept = [(name, value) for name, value in request.scope["headers"] if name in {b"prefer", b"x-request-id"}]
    type_, _, id_ = entry.path.partition("/")
    scope = {
        **request.scope,
        "method": entry.method,
        "path": f"/fhir/{entry.path}",
        "raw_path": f"/fhir/{entry.path}".encode(),
        "query_string": entry.escaped_query.encode(),
        "headers": mine + kept,
        "path_params": {"type": type_, **({"id": id_.partition("/")[0]} if id_ else {})},
    }
    return Request(scope)
