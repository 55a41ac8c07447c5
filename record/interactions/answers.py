"""Answers in FHIR JSON, made of stored bytes."""

from typing import Any

import msgspec
import orjson
from fastapi import Request
from fastapi.responses import Response

from kernel.http import FHIR_JSON
from record.interactions.asking import Changed
from record.interactions.bundle import outcome
from record.interactions.interaction import Interaction
from record.interactions.negotiation import http_date, wanted_return
from record.interactions.summary import WHOLE, View
from record.stored import Stored


def fhir(body: bytes | dict[str, Any], *, status: int = 200, **headers: str) -> Response:
    """An answer in FHIR JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(content, status, headers=headers, media_type=FHIR_JSON)


def shown(stored: Stored, *, status: int = 200, view: View = WHOLE, **headers: str) -> Response:
    """A resource, or the wanted part of it, with its ETag and Last-Modified."""
    body = stored.body if view.whole else view.of(stored.body)
    return fhir(body, status=status, **_marks(stored), **headers)


def pretty(request: Request, answer: Response) -> Response:
    """The answer as it is, or written for eyes if `_pretty=true` asks for that; no number is written anew."""
    if b"_pretty=true" in request.scope["query_string"] and answer.body and answer.media_type == FHIR_JSON:
        answer.body = msgspec.json.format(bytes(answer.body), indent=2)
        answer.headers["content-length"] = str(len(answer.body))
    return answer


def unchanged(stored: Stored) -> Response:
    """The client has this version already."""
    return Response(None, 304, headers=_marks(stored))


def changed(asked: Interaction, done: Changed, *, base: str) -> Response:
    """What became of a change, with as much of the resource as the client prefers."""
    stored = done.stored
    if stored is None or stored.deleted:
        return Response(None, done.status, headers={"ETag": stored.etag} if stored else None)
    marks = _marks(stored)
    if asked.id is None or done.status == 201:
        marks["Location"] = f"{base}/{stored.reference}/_history/{stored.version}"
    match wanted_return(asked.prefer):
        case "minimal":
            return Response(None, done.status, headers=marks)
        case "OperationOutcome":
            return fhir(outcome("information", "informational", "Done."), status=done.status, **marks)
        case _:
            return fhir(stored.body, status=done.status, **marks)


def _marks(stored: Stored) -> dict[str, str]:
    return {"ETag": stored.etag, "Last-Modified": http_date(stored.updated_at)}
