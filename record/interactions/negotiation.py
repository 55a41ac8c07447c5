"""What a client says beside its request: the form it wants, the version it knows, how much of an answer it needs.

https://hl7.org/fhir/R4/http.html
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qsl

from fastapi import Request

from kernel.failures import Invalid, NotAcceptable, UnsupportedMedia
from record.failures import ParameterUnknown, PreconditionUnreadable
from record.interactions.interaction import PRESENTATION, Interaction

JSON_FORMS = frozenset({"application/fhir+json", "application/json", "json", "text/json"})
ANY_FORM = frozenset({"*/*", "application/*", "*"})
OUR_FORMS = JSON_FORMS | ANY_FORM
BODY_FORMS = frozenset({"application/fhir+json", "application/json"})
FORM = "application/x-www-form-urlencoded"
ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


class FormUnreadable(Invalid):
    """The search's parameters cannot be read. Send them as a form in UTF-8."""

    code = "form-unreadable"


class FormExpected(UnsupportedMedia):
    """A search by POST sends its parameters as application/x-www-form-urlencoded."""


def accepts_json(request: Request) -> None:
    """The client takes JSON in FHIR 4.0. Raises NotAcceptable."""
    accepted = request.headers.get("accept") or "*/*"
    if accepted in OUR_FORMS and not request.scope["query_string"]:
        return
    asked = request.query_params.get("_format") or accepted
    # A plus sign in an address comes through as a space.
    forms = [part.replace("fhir json", "fhir+json") for part in asked.split(",")]
    if not any(_fits(form) for form in forms):
        raise NotAcceptable


def _fits(form: str) -> bool:
    name, *parameters = (part.strip().lower() for part in form.split(";"))
    given = dict(part.split("=", 1) for part in parameters if "=" in part)
    version = given.get("fhirversion", "4.0").strip('"')
    refused = re.fullmatch(r"0(\.0*)?", given.get("q", "1")) is not None
    return name in OUR_FORMS and version in {"4.0", "4.0.1"} and not refused


def sends_json(media_type: str) -> None:
    """The body is JSON in UTF-8. Raises UnsupportedMedia."""
    if media_type in BODY_FORMS:
        return
    name, *parameters = (part.strip().lower() for part in media_type.split(";"))
    charset = next((p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if name not in BODY_FORMS or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMedia


def no_parameters(asked: Interaction) -> None:
    """Nothing stands after the question mark but how the answer is shown. Raises ParameterUnknown."""
    if asked.query:
        raise ParameterUnknown("This interaction takes _format and _pretty only.")


async def asked_for(request: Request) -> list[tuple[str, str]]:
    """A search's parameters, from the address and, for a POST, from the form.

    Raises FormExpected, FormUnreadable.
    """
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        sent = await request.body()
        if sent and request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise FormExpected
        try:
            body = sent.decode()
            pairs += parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body), max_num_fields=100)
        except ValueError:
            raise FormUnreadable from None
    return [(name, value) for name, value in pairs if name not in PRESENTATION]


def lenient(prefer: Sequence[str]) -> bool:
    """Whether the client wants parameters that are not offered to be left out."""
    return "handling=lenient" in prefer


def wanted_return(prefer: Sequence[str]) -> str:
    """`minimal`, `representation` or `OperationOutcome`."""
    for preference in prefer:
        name, _, value = preference.partition("=")
        if name == "return" and value in {"minimal", "representation", "OperationOutcome"}:
            return value
    return "representation"


def expected_version(if_match: str | None) -> int | None:
    """The version an If-Match demands, or None without one and for `*`. Raises PreconditionUnreadable."""
    if if_match is None or if_match.strip() == "*":
        return None
    etag = ETAG.fullmatch(if_match.strip())
    if etag is None:
        raise PreconditionUnreadable
    return int(etag[1])


def known_to_client(request: Request, *, etag: str, updated_at: datetime) -> bool:
    """Whether the client says it has this very version already (RFC 9110, 13.1.2 and 13.1.3)."""
    none_match, since = request.headers.get("if-none-match"), request.headers.get("if-modified-since")
    if none_match is not None:
        # Compared weakly, as the RFC says: a W/ in front makes no difference.
        known = [part.strip().removeprefix("W/") for part in none_match.split(",")]
        return known == ["*"] or etag.removeprefix("W/") in known
    if since is None:
        return False
    try:
        return updated_at.replace(microsecond=0) <= parsedate_to_datetime(since).astimezone(UTC)
    except (ValueError, TypeError):
        return False


def http_date(at: datetime) -> str:
    """An instant as HTTP headers say it."""
    return format_datetime(at.astimezone(UTC), usegmt=True)
