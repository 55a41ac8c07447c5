"""One interaction as its client asked for it, whether it came as a request of its own or as an entry of a Bundle.

https://hl7.org/fhir/R4/http.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from fastapi import Request

PRESENTATION = frozenset({"_format", "_pretty"})
"""Parameters that say how an answer is written, not what it holds."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """What is asked of one type or one resource; header values are as they came, None where the header was absent."""

    method: str
    type: str
    id: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    media_type: str = ""
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None
    prefer: tuple[str, ...] = ()
    request: str = ""
    """The request's name as the gateway gave it."""

    @classmethod
    def of(cls, request: Request, body: bytes = b"") -> Self:
        """The interaction an HTTP request asks for; its type and id are those of the route."""
        raw: list[tuple[bytes, bytes]] = request.scope["headers"]
        headers = dict(raw)

        def said(name: bytes) -> str | None:
            value = headers.get(name)
            return value.decode("latin-1") if value is not None else None

        return cls(
            request.method,
            request.path_params["type"],
            request.path_params.get("id"),
            query_of(request),
            body,
            said(b"content-type") or "",
            said(b"if-match"),
            said(b"if-none-match"),
            said(b"if-none-exist"),
            said(b"if-modified-since"),
            preferences(value.decode("latin-1") for name, value in raw if name == b"prefer"),
            (said(b"x-request-id") or "")[:64],
        )


def query_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The address's parameters, in their order, but those of presentation."""
    if not request.scope["query_string"]:
        return ()
    return tuple(pair for pair in request.query_params.multi_items() if pair[0] not in PRESENTATION)


def preferences(headers: Iterable[str]) -> tuple[str, ...]:
    """The preferences in Prefer headers, such as `return=minimal` (RFC 7240)."""
    return tuple(part.strip() for header in headers for part in re.split("[,;]", header))
