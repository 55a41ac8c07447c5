"""The reading interactions of one type: read, vread, history, search (https://hl7.org/fhir/R4/http.html).

Each is recorded before its answer is given.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from record import bundle
from record.answers import fhir, shown, unchanged
from record.audit import AuditEntry
from record.audit_events import read_event, search_events
from record.cursor import Sought
from record.edge import base_of, cursors, request_id, room_of, saw
from record.failures import VersionUnknown
from record.interaction import Interaction, preferences
from record.negotiation import accepts_json, asked_for, known_to_client, lenient, no_parameters
from record.ownership import KEPT_APART
from record.read import history, read, vread
from record.search import Page, search
from record.stored import Stored
from record.type_history import type_history
from record.visible import visible_to

LONGEST_VERSION = 9


async def answer_read(request: Request, type_: str, id_: str, by: Principal) -> Response:
    """The version in force, or 304 when the client has it."""
    asked = _plain(request)
    tx, visible = request.state.tx, visible_to(by)
    if type_ in KEPT_APART:
        stored = await read_event(tx, id_, visible=visible)
    else:
        stored = await read(tx, type_, id_, visible=visible)
    await saw(request, [_entry(request, by, "read", stored)])
    if known_to_client(asked, etag=stored.etag, updated_at=stored.updated_at):
        return unchanged(stored)
    return shown(stored)


async def answer_vread(request: Request, type_: str, id_: str, version: str, by: Principal) -> Response:
    """One version."""
    _plain(request)
    if not (version.isascii() and version.isdigit() and len(version) <= LONGEST_VERSION):
        raise VersionUnknown
    stored = await vread(request.state.tx, type_, id_, int(version), visible=visible_to(by))
    await saw(request, [_entry(request, by, "vread", stored)])
    return shown(stored)


async def answer_history(request: Request, type_: str, id_: str, by: Principal) -> Response:
    """All versions of one resource, newest first."""
    _plain(request)
    versions = await history(request.state.tx, type_, id_, visible=visible_to(by))
    await saw(request, [_entry(request, by, "history-instance", versions[0])])
    links = {"self": f"{base_of(request)}/{type_}/{id_}/_history"}
    return fhir(bundle.historyset(versions, base=base_of(request), links=links, total=len(versions)))


async def answer_type_history(request: Request, type_: str, by: Principal) -> Response:
    """All versions of a type's resources, newest first, by pages."""
    accepts_json(request)
    sought = await _sought(request, f"{type_}/_history", by)
    page = await type_history(request.state.tx, type_, sought.query, visible=visible_to(by), after=sought.after)
    await saw(request, _entries(request, by, "history-type", type_, sought, page.entries))
    links = _links(request, f"{type_}/_history", by, sought, page)
    return fhir(bundle.historyset(page.entries, base=base_of(request), links=links))


async def answer_search(request: Request, type_: str, by: Principal) -> Response:
    """One page of a search, what comes along with it, and what was left out of it."""
    accepts_json(request)
    sought = await _sought(request, type_, by)
    page = await _page(request.state.tx, type_, sought, request, by)
    seen = [*page.entries, *page.includes]
    await saw(request, _entries(request, by, "search-type", type_, sought, seen))
    left_out = f"Left out, since not offered: {', '.join(name[:40] for name in page.ignored)}."
    return fhir(
        bundle.searchset(
            page.entries,
            page.includes,
            base=base_of(request),
            links=_links(request, type_, by, sought, page),
            total=page.total,
            warnings=bundle.outcome("warning", "not-supported", left_out) if page.ignored else None,
        )
    )


async def _page(tx: Transaction, type_: str, sought: Sought, request: Request, by: Principal) -> Page:
    now, visible = room_of(request).clock.now(), visible_to(by)
    more = {"visible": visible, "now": now, "after": sought.after, "lenient": sought.lenient}
    if type_ in KEPT_APART:
        return await search_events(tx, sought.query, **more)  # type: ignore[arg-type]
    return await search(tx, type_, sought.query, **more)  # type: ignore[arg-type]


async def _sought(request: Request, place: str, by: Principal) -> Sought:
    """The search in the request itself, or the one a page link holds."""
    pairs = await asked_for(request)
    if len(pairs) == 1 and pairs[0][0] == "_page":
        return cursors(request).open(pairs[0][1], place=place, account=by.account)
    return Sought(tuple(pairs), None, lenient(preferences(request.headers.getlist("prefer"))))


def _links(request: Request, place: str, by: Principal, sought: Sought, page: Page) -> dict[str, str]:
    def link(to: Sought) -> str:
        sealed = cursors(request).seal(to, place=place, account=by.account)
        return f"{base_of(request)}/{place}?_page={quote(sealed)}"

    links = {"self": link(sought)}
    if page.next:
        links["next"] = link(Sought(sought.query, page.next, sought.lenient))
    return links


def _plain(request: Request) -> Interaction:
    accepts_json(request)
    asked = Interaction.of(request)
    no_parameters(asked)
    return asked


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


def _entries(
    request: Request, by: Principal, interaction: str, type_: str, sought: Sought, seen: Iterable[Stored]
) -> Sequence[AuditEntry]:
    """One entry for each patient whose record was shown, or one for a search that showed none."""
    digest = cursors(request).digest(type_, sought.query)
    patients: list[str | None] = [*dict.fromkeys(one.patient for one in seen if one.patient)] or [by.patient]
    return [
        AuditEntry.by(by, "E", interaction, type_, patient=patient, request=request_id(request), query=digest)
        for patient in patients
    ]
