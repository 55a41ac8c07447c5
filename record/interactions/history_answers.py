"""The history interactions, by pages (https://hl7.org/fhir/R4/http.html#history). Recorded before they are answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from record.audit import AuditEntry
from record.failures import ValueUnreadable
from record.history import Past, Place, Span, history_of, history_of_resource, readable
from record.interactions import bundle
from record.interactions.answers import fhir
from record.interactions.edge import base_of, cursors, request_id, room_of, saw
from record.interactions.negotiation import accepts_json, asked_for
from record.interactions.reading import entries_of, link_to
from record.interactions.summary import ANY, View, view_in
from record.search.cursor import Sought
from record.settling import settled
from record.visible import visible_to

UNTIL, AFTER = "_until", "_after"
"""What a page link holds besides the query: where the whole run of pages ends, and where this page begins."""


@dataclass(frozen=True, slots=True)
class Leafing:
    """A history being paged through."""

    query: tuple[tuple[str, str], ...]
    span: Span
    view: View
    until: datetime | None = None
    after: Place | None = None

    @classmethod
    async def of(cls, request: Request, place: str, type_: str, by: Principal) -> Self:
        """As the request itself says, or the page link it brings. Raises ParameterUnknown, ValueUnreadable."""
        pairs, place_of_page = tuple(await asked_for(request)), dict[str, str]()
        if len(pairs) == 1 and pairs[0][0] == "_page":
            sought = cursors(request).open(pairs[0][1], place=place, account=by.account)
            place_of_page = {name: value for name, value in sought.query if name in {UNTIL, AFTER}}
            pairs = tuple(pair for pair in sought.query if pair[0] not in place_of_page)
        view, rest = view_in(pairs, type_)
        if view.way == "count":
            raise ValueUnreadable("_summary=count belongs to a search.")
        until = datetime.fromisoformat(place_of_page[UNTIL]) if UNTIL in place_of_page else None
        return cls(pairs, Span.of(rest), view, until, _read(place_of_page.get(AFTER)))

    def beyond(self, past: Past, until: datetime | None) -> Sought | None:
        """The next page, if there is one."""
        if past.next is None:
            return None
        ends = [(UNTIL, until.isoformat())] if until else []
        return Sought((*self.query, *ends, (AFTER, _written(past.next))), None)


async def answer_history(request: Request, type_: str, id_: str, by: Principal) -> Response:
    """The versions of one resource."""
    accepts_json(request)
    place = f"{type_}/{id_}/_history"
    leafing = await Leafing.of(request, place, type_, by)
    past = await history_of_resource(
        request.state.tx, type_, id_, leafing.span, visible=visible_to(by), after=leafing.after
    )
    patient = past.versions[0].patient if past.versions else None
    seen = AuditEntry.by(
        by, "R", "history-instance", type_, entity=f"{type_}/{id_}", patient=patient, request=request_id(request)
    )
    await saw(request, [seen])
    whole = past.next is None and leafing.after is None and leafing.span.all
    return _told(request, place, by, leafing, past, total=len(past.versions) if whole else None)


async def answer_type_history(request: Request, type_: str, by: Principal) -> Response:
    """The versions of all resources of a type."""
    return await _history_of(request, [type_], f"{type_}/_history", "history-type", type_, by)


async def answer_system_history(request: Request, by: Principal) -> Response:
    """The versions of all resources of all types."""
    listed = readable(visible_to(by))
    return await _history_of(request, listed, "_history", "history-system", ANY, by)


async def _history_of(
    request: Request, listed: Sequence[str], place: str, interaction: str, type_: str, by: Principal
) -> Response:
    accepts_json(request)
    leafing = await Leafing.of(request, place, type_, by)
    room, tx, until = room_of(request), request.state.tx, leafing.until
    if until is None:
        until = await settled(tx, now=room.clock.now(), tolerance=room.settings.tolerance)
    past = await history_of(tx, listed, leafing.span, visible=visible_to(by), until=until, after=leafing.after)
    sought = Sought(leafing.query, None)
    await saw(request, entries_of(request, by, interaction, type_, sought, past.versions))
    return _told(request, place, by, leafing, past, until=until)


def _told(
    request: Request,
    place: str,
    by: Principal,
    leafing: Leafing,
    past: Past,
    *,
    total: int | None = None,
    until: datetime | None = None,
) -> Response:
    own = link_to(request, place, by, Sought(leafing.query, None)) if leafing.query else f"{base_of(request)}/{place}"
    links = {"self": own}
    if beyond := leafing.beyond(past, until):
        links["next"] = link_to(request, place, by, beyond)
    base = base_of(request)
    return fhir(bundle.historyset(past.versions, base=base, links=links, total=total, until=until, view=leafing.view))


def _written(place: Place) -> str:
    return "|".join((place.at.isoformat(), place.type, place.id, str(place.version)))


def _read(text: str | None) -> Place | None:
    if text is None:
        return None
    at, type_, id_, version = text.split("|")
    return Place(datetime.fromisoformat(at), type_, id_, int(version))
