"""The FHIR routes of a room: for each type it owns, the interactions that are offered (https://hl7.org/fhir/R4/http.html)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.convertors import register_url_convertor

from kernel.auth.principal import Principal, Role
from kernel.failures import Forbidden
from kernel.http import SERVED, Anyone, CommandRoute, ReadRoute
from record.bundles.transaction import transact
from record.conformance.capability import CONDITIONAL, PATCHES, UPDATE_CREATES
from record.conformance.metadata import metadata_routes
from record.interactions import history_answers, reading
from record.interactions.answers import changed, fhir, pretty
from record.interactions.cases import Cases, Create, Delete, NotOffered, Update
from record.interactions.changing import change
from record.interactions.edge import Name, asker, base_of, room_of
from record.interactions.interaction import Interaction
from record.interactions.negotiation import accepts_json, sends_json
from record.interactions.patching import WAYS
from record.interactions.validating import VALIDATE, answer_validate
from record.ownership import KEPT_APART, owned_by, types
from record.validation.checking import prepare

__all__ = ["fhir_routes"]


async def _reader(request: Request) -> Principal:
    return _one_of(request, types()[request.path_params["type"]].readers)


async def _writer(request: Request) -> Principal:
    return _one_of(request, types()[request.path_params["type"]].writers)


async def _reader_or_writer(request: Request) -> Principal:
    rules = types()[request.path_params["type"]]
    return _one_of(request, rules.readers | rules.writers)


def _one_of(request: Request, roles: Collection[Role]) -> Principal:
    by = asker(request)
    if by.role not in roles:
        raise Forbidden
    return by


MayRead = Annotated[Principal, Depends(_reader)]
MayWrite = Annotated[Principal, Depends(_writer)]
MayTouch = Annotated[Principal, Depends(_reader_or_writer)]


def fhir_routes(
    room: str,
    *,
    creates: Mapping[str, Create] | None = None,
    updates: Mapping[str, Update] | None = None,
    deletes: Mapping[str, Delete] | None = None,
    entries: Mapping[str, Update] | None = None,
    enterable: Collection[str] = (),
) -> list[APIRouter]:
    """The routers of a room. A type in one of the mappings is changed by that use case, else by a plain write.

    Made before the process forks: the validators of the room's types are compiled here.
    """
    mine = [rules.type for rules in owned_by(room)]
    for type_ in {**(creates or {}), **(updates or {}), **(deletes or {})}:
        if not types()[type_].behaviour:
            raise ValueError(f"proto/resources.toml must say that {type_} has behaviour")
    cases = Cases(creates or {}, updates or {}, deletes or {}, entries or {}, frozenset(enterable))
    prepare([*mine, "Parameters"])
    # What is asked most stands first: each route before it is compared with the address in vain.
    return [
        _reading_routes(_Place(room, "read", mine)),
        _history_routes(_Place(room, "kept", [type_ for type_ in mine if type_ not in KEPT_APART])),
        _validating_routes(_Place(room, "judged", mine)),
        _changing_routes(_Place(room, "written", [type_ for type_ in mine if types()[type_].writers]), cases),
        _transaction_route(cases),
        metadata_routes(),
    ]


class _Place:
    """The addresses `/fhir/Type` of some types as one route: a room's dozen types cost one comparison, not a dozen."""

    def __init__(self, room: str, purpose: str, listed: Sequence[str]) -> None:
        self.types = listed
        name = f"{purpose}_by_{room}"
        register_url_convertor(name, type("Type", (Name,), {"regex": "|".join(listed)})())
        self.path = f"/fhir/{{type:{name}}}"

    def marks(self, cases: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The types for which a route offers something, for the CapabilityStatement."""
        refused = [type_ for type_, case in (cases or {}).items() if isinstance(case, NotOffered)]
        return {SERVED: [type_ for type_ in self.types if type_ not in refused]}

    def changing(self, cases: Mapping[str, object]) -> dict[str, Any]:
        """The types whose resources, once entered, may change this way."""
        served = self.marks(cases)[SERVED]
        return {SERVED: [type_ for type_ in served if not types()[type_].append_only]}


def _reading_routes(place: _Place) -> APIRouter:
    router, marks = APIRouter(route_class=ReadRoute), place.marks()

    @router.api_route(f"{place.path}/{{id:fhirid}}", methods=["GET", "HEAD"], openapi_extra=marks)
    async def read(request: Request, by: MayRead) -> Response:
        type_, id_ = _named(request, "type", "id")
        return pretty(request, await reading.answer_read(request, type_, id_, by))

    @router.api_route(f"{place.path}", methods=["GET", "HEAD"], openapi_extra=marks)
    async def search(request: Request, by: MayRead) -> Response:
        (type_,) = _named(request, "type")
        return pretty(request, await reading.answer_search(request, type_, by))

    @router.post(f"{place.path}/_search", openapi_extra=marks)
    async def search_by_form(request: Request, by: MayRead) -> Response:
        (type_,) = _named(request, "type")
        return pretty(request, await reading.answer_search(request, type_, by))

    return router


def _history_routes(place: _Place) -> APIRouter:
    router, marks = APIRouter(route_class=ReadRoute), place.marks()

    @router.api_route("/fhir/_history", methods=["GET", "HEAD"])
    async def history_of_everything(request: Request, by: Anyone) -> Response:
        return pretty(request, await history_answers.answer_system_history(request, by))

    @router.api_route(f"{place.path}/_history", methods=["GET", "HEAD"], openapi_extra=marks)
    async def history_of_type(request: Request, by: MayRead) -> Response:
        (type_,) = _named(request, "type")
        return pretty(request, await history_answers.answer_type_history(request, type_, by))

    @router.api_route(f"{place.path}/{{id:fhirid}}/_history", methods=["GET", "HEAD"], openapi_extra=marks)
    async def history(request: Request, by: MayRead) -> Response:
        type_, id_ = _named(request, "type", "id")
        return pretty(request, await history_answers.answer_history(request, type_, id_, by))

    @router.api_route(
        f"{place.path}/{{id:fhirid}}/_history/{{version:fhirid}}", methods=["GET", "HEAD"], openapi_extra=marks
    )
    async def vread(request: Request, by: MayRead) -> Response:
        type_, id_, version = _named(request, "type", "id", "version")
        return pretty(request, await reading.answer_vread(request, type_, id_, version, by))

    return router


def _validating_routes(place: _Place) -> APIRouter:
    router, marks = APIRouter(route_class=ReadRoute), {**place.marks(), **VALIDATE}

    @router.post(f"{place.path}/$validate", openapi_extra=marks)
    async def validate(request: Request, by: MayTouch) -> Response:
        """Whether the record would take a resource. Nothing is kept."""
        (type_,) = _named(request, "type")
        return pretty(request, await answer_validate(request, type_, None, by))

    @router.post(f"{place.path}/{{id:fhirid}}/$validate", openapi_extra=marks)
    async def validate_one(request: Request, by: MayTouch) -> Response:
        """Whether the record would take a resource in this one's place, or how this one stands. Nothing is kept."""
        type_, id_ = _named(request, "type", "id")
        return pretty(request, await answer_validate(request, type_, id_, by))

    return router


def _changing_routes(place: _Place, cases: Cases) -> APIRouter:
    router = APIRouter(route_class=CommandRoute)

    @router.post(f"{place.path}", openapi_extra={**place.marks(cases.creates), CONDITIONAL: True})
    async def create(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    made = [type_ for type_ in place.types if cases.enters(type_)]

    @router.put(f"{place.path}/{{id:fhirid}}", openapi_extra={**place.marks(cases.updates), UPDATE_CREATES: made})
    async def update(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    @router.patch(f"{place.path}/{{id:fhirid}}", openapi_extra={**place.changing(cases.updates), PATCHES: list(WAYS)})
    async def patch(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    @router.delete(f"{place.path}/{{id:fhirid}}", openapi_extra=place.changing(cases.deletes))
    async def delete(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    @router.put(f"{place.path}", openapi_extra=place.changing(cases.updates))
    async def update_by_criteria(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    @router.patch(f"{place.path}", openapi_extra=place.changing(cases.updates))
    async def patch_by_criteria(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    @router.delete(f"{place.path}", openapi_extra=place.changing(cases.deletes))
    async def delete_by_criteria(request: Request, by: MayWrite) -> Response:
        return await _changed(request, by, cases)

    return router


def _transaction_route(cases: Cases) -> APIRouter:
    router = APIRouter(route_class=CommandRoute)

    @router.post("/fhir")
    async def transaction(request: Request, by: Anyone) -> Response:
        accepts_json(request)
        sends_json(request.headers.get("content-type", ""))
        return fhir(await transact(request, await request.body(), by=by, cases=cases))

    return router


async def _changed(request: Request, by: Principal, cases: Cases) -> Response:
    accepts_json(request)
    asked = Interaction.of(request, await request.body())
    done = await change(request.state.tx, asked, by=by, room=room_of(request), cases=cases)
    return pretty(request, changed(asked, done, base=base_of(request)))


def _named(request: Request, *names: str) -> tuple[str, ...]:
    return tuple(request.path_params[name] for name in names)
