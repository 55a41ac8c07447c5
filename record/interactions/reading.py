"""The reading interactions of one type: read, vread, search (https://hl7.org/fhir/R4/http.html).

Each is recorded before its answer is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from record.audit import AuditEntry
from record.audit_events import read_event, search_events
from record.failures import ParameterUnknown, ValueUnreadable, VersionUnknown
from record.interactions import bundle
from record.interactions.answers import fhir, shown, unchanged
from record.interactions.edge import base_of, cursors, request_id, room_of, saw
from record.interactions.interaction import preferences, query_of
from record.interactions.negotiation import accepts_json, asked_for, known_to_client, lenient
from record.interactions.summary import WHOLE, View, view_in, without_entries
from record.ownership import KEPT_APART
from record.read import read, vread
from record.search.cursor import Sought
from record.search.searching import Page, search
from record.stored import Stored
from record.visible import visible_to

LONGEST_VERSION = 9


async def answer_read(request: Request, type_: str, id_: str, by: Principal) -> Response:
    """The version in force, or 304 when the client has it."""
    view = _plain(request, type_)
    tx, visible = request.state.tx, visible_to(by)
    if type_ in KEPT_APART:
        stored = await read_event(tx, id_, visible=visible)
    else:
        stored = await read(tx, type_, id_, visible=visible)
    await saw(request, [_entry(request, by, "read", stored)])
    if known_to_client(request, etag=stored.etag, updated_at=stored.updated_at):
        return unchanged(stored)
    return shown(stored, view=view)


async def answer_vread(request: Request, type_: str, id_: str, version: str, by: Principal) -> Response:
    """One version."""
    view = _plain(request, type_)
    if not (version.isascii() and version.isdigit() and len(version) <= LONGEST_VERSION):
        raise VersionUnknown
    stored = await vread(request.state.tx, type_, id_, int(version), visible=visible_to(by))
    await saw(request, [_entry(request, by, "vread", stored)])
    return shown(stored, view=view)


async def answer_search(request: Request, type_: str, by: Principal) -> Response:
    """One page of a search, what comes along with it, and what was left out of it."""
    accepts_json(request)
    sought = await sought_in(request, type_, by)
    view, query = view_in(sought.query, type_)
    query = without_entries(query) if view.way == "count" else query
    if view.way == "text" and any(name.partition(":")[0] in {"_include", "_revinclude"} for name, _ in query):
        raise ParameterUnknown("_summary=text goes without _include and _revinclude.")
    page = await _page(request.state.tx, type_, replace(sought, query=query), request, by)
    seen = [*page.entries, *page.includes]
    await saw(request, entries_of(request, by, "search-type", type_, sought, seen))
    left_out = f"Left out, since not offered: {', '.join(name[:40] for name in page.ignored)}."
    return fhir(
        bundle.searchset(
            page.entries,
            page.includes,
            base=base_of(request),
            links=_links(request, type_, by, sought, page),
            total=page.total,
            warnings=bundle.outcome("warning", "not-supported", left_out) if page.ignored else None,
            view=view,
        )
    )


async def _page(tx: Transaction, type_: str, sought: Sought, request: Request, by: Principal) -> Page:
    now, visible = room_of(request).clock.now(), visible_to(by)
    more = {"visible": visible, "now": now, "after": sought.after, "lenient": sought.lenient}
    if type_ in KEPT_APART:
        return await search_events(tx, sought.query, **more)  # type: ignore[arg-type]
    return await search(tx, type_, sought.query, **more)  # type: ignore[arg-type]


async def sought_in(request: Request, place: str, by: Principal) -> Sought:
    """What is sought: as the request itself says, or as the page link says that it holds."""
    pairs = await asked_for(request)
    if len(pairs) == 1 and pairs[0][0] == "_page":
        return cursors(request).open(pairs[0][1], place=place, account=by.account)
    return Sought(tuple(pairs), None, lenient(preferences(request.headers.getlist("prefer"))))


def _links(request: Request, place: str, by: Principal, sought: Sought, page: Page) -> dict[str, str]:
    links = {"self": link_to(request, place, by, sought)}
    if page.next:
        links["next"] = link_to(request, place, by, Sought(sought.query, page.next, sought.lenient))
    return links


def link_to(request: Request, place: str, by: Principal, sought: Sought) -> str:
    """The address of a page, its search sealed."""
    sealed = cursors(request).seal(sought, place=place, account=by.account)
    return f"{base_of(request)}/{place}?_page={quote(sealed)}"


def _plain(request: Request, type_: str) -> View:
    """How much of one resource is wanted: nothing else stands after the question mark."""
    accepts_json(request)
    query = query_of(request)
    if not query:
        return WHOLE
    view, rest = view_in(query, type_)
    if rest:
        raise ParameterUnknown("A read takes _summary or _elements, _format and _pretty.")
    if view.way == "count":
        raise ValueUnreadable("_summary=count belongs to a search.")
    return view


def _entry(request: Request, by: Principal, interaction: str, stored: Stored) -> AuditEntry:
    return AuditEntry.by(
        by,
        "R",
        interaction,
        stored.type,
        entity=stored.reference,
        version=stored.version,
        patient=stored.patient,
        request=request_id(request),
    )


def entries_of(
    request: Request, by: Principal, interaction: str, type_: str, sought: Sought, seen: Iterable[Stored]
) -> Sequence[AuditEntry]:
    """One entry for each patient whose record was shown, or one for a search that showed none."""
    digest = cursors(request).digest(type_, sought.query)
    patients: list[str | None] = [*dict.fromkeys(one.patient for one in seen if one.patient)] or [by.patient]
    return [
        AuditEntry.by(by, "E", interaction, type_, patient=patient, request=request_id(request), query=digest)
        for patient in patients
    ]
