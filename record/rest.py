"""The FHIR routes of a room: for each type it owns, the interactions that are offered (https://hl7.org/fhir/R4/http.html)."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.convertors import Convertor, register_url_convertor

from kernel.auth.principal import Principal
from kernel.http import CommandRoute, ReadRoute, allow
from record import changing, reading
from record.answers import fhir
from record.capability import capability_of, statement
from record.changing import Create, Delete, NotOffered, Update
from record.edge import base_of, room_of
from record.ownership import KEPT_APART, TypeRules, owned_by
from record.validation import prepare

__all__ = ["Create", "Delete", "NotOffered", "Update", "fhir_routes"]


class ResourceId(Convertor[str]):
    """A FHIR id in an address; `$operation`, `_search` and `_history` are none."""

    regex = r"[A-Za-z0-9\-.]{1,64}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("fhirid", ResourceId())


def fhir_routes(
    room: str,
    *,
    creates: Mapping[str, Create] | None = None,
    updates: Mapping[str, Update] | None = None,
    deletes: Mapping[str, Delete] | None = None,
) -> list[APIRouter]:
    """The routers of a room. A type in one of the mappings is changed by that use case, else by a plain write.

    Made before the process forks: the validators of the room's types are compiled here.
    """
    prepare([*(rules.type for rules in owned_by(room)), "Parameters"])
    routers = [_metadata()]
    for rules in owned_by(room):
        routers.append(_reading_routes(rules))
        if rules.writers:
            cases = (creates or {}).get(rules.type), (updates or {}).get(rules.type), (deletes or {}).get(rules.type)
            routers.append(_changing_routes(rules, *cases))
    return routers


def _reading_routes(rules: TypeRules) -> APIRouter:
    router = APIRouter(route_class=ReadRoute)
    type_, path, may_read = rules.type, f"/fhir/{rules.type}", Depends(allow(*rules.readers))

    @router.api_route(f"{path}", methods=["GET", "HEAD"])
    async def search(request: Request, by: Annotated[Principal, may_read]) -> Response:
        return await reading.answer_search(request, type_, by)

    @router.post(f"{path}/_search")
    async def search_by_form(request: Request, by: Annotated[Principal, may_read]) -> Response:
        return await reading.answer_search(request, type_, by)

    @router.api_route(f"{path}/{{id:fhirid}}", methods=["GET", "HEAD"])
    async def read(request: Request, by: Annotated[Principal, may_read]) -> Response:
        return await reading.answer_read(request, type_, request.path_params["id"], by)

    if type_ not in KEPT_APART:
        _history_routes(router, rules)
    return router


def _history_routes(router: APIRouter, rules: TypeRules) -> None:
    type_, path, may_read = rules.type, f"/fhir/{rules.type}", Depends(allow(*rules.readers))

    @router.api_route(f"{path}/_history", methods=["GET", "HEAD"])
    async def history_of_type(request: Request, by: Annotated[Principal, may_read]) -> Response:
        return await reading.answer_type_history(request, type_, by)

    @router.api_route(f"{path}/{{id:fhirid}}/_history", methods=["GET", "HEAD"])
    async def history(request: Request, by: Annotated[Principal, may_read]) -> Response:
        return await reading.answer_history(request, type_, request.path_params["id"], by)

    @router.api_route(f"{path}/{{id:fhirid}}/_history/{{version:fhirid}}", methods=["GET", "HEAD"])
    async def vread(request: Request, by: Annotated[Principal, may_read]) -> Response:
        ids = request.path_params
        return await reading.answer_vread(request, type_, ids["id"], ids["version"], by)


def _changing_routes(
    rules: TypeRules, creating: Create | None, updating: Update | None, deleting: Delete | None
) -> APIRouter:
    router = APIRouter(route_class=CommandRoute)
    type_, path, may_write = rules.type, f"/fhir/{rules.type}", Depends(allow(*rules.writers))

    @router.post(f"{path}", openapi_extra=_mark(creating))
    async def create(request: Request, by: Annotated[Principal, may_write]) -> Response:
        return await changing.answer_create(request, type_, by, creating)

    @router.put(f"{path}/{{id:fhirid}}", openapi_extra=_mark(updating))
    async def update(request: Request, by: Annotated[Principal, may_write]) -> Response:
        return await changing.answer_update(request, type_, request.path_params["id"], by, updating)

    @router.delete(f"{path}/{{id:fhirid}}", openapi_extra=_mark(deleting))
    async def delete(request: Request, by: Annotated[Principal, may_write]) -> Response:
        return await changing.answer_delete(request, type_, request.path_params["id"], by, deleting)

    return router


def _mark(case: object) -> dict[str, bool]:
    """A route that only says what to use instead does not count as a capability."""
    return {"x-not-offered": isinstance(case, NotOffered)}


def _metadata() -> APIRouter:
    open_door = APIRouter()

    # rule: guarded-routes because what a server can do is said to everybody (https://hl7.org/fhir/R4/http.html#capabilities)
    @open_door.get("/fhir/metadata")
    async def metadata(request: Request) -> Response:
        """What this room really serves."""
        room = room_of(request)
        mine = capability_of(room.name, request.app.routes)
        return fhir(statement([mine], base=base_of(request), now=room.clock.now()))

    return open_door
