"""The CapabilityStatement says what is served, no more and no less."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from fastapi import APIRouter, FastAPI, Request

from kernel.auth.principal import Role
from kernel.http import Anyone, CommandRoute
from kernel.settings import Settings
from record.conformance.capability import RoomCapability, capability_of, statement
from record.interactions.cases import NotOffered
from record.ownership import owned_by, rooms, types
from record.rest import fhir_routes
from record.validation.checking import check
from tests.support.record import account, door_of

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ASKS: dict[str, tuple[str, str]] = {
    "read": ("GET", "/x"),
    "vread": ("GET", "/x/_history/1"),
    "history-instance": ("GET", "/x/_history"),
    "history-type": ("GET", "/_history"),
    "search-type": ("GET", ""),
    "create": ("POST", ""),
    "update": ("PUT", "/x"),
    "delete": ("DELETE", "/x"),
}


def operations() -> APIRouter:
    """A room's own operations."""
    router = APIRouter(route_class=CommandRoute)

    @router.post("/fhir/Appointment/$book")
    async def book(request: Request, by: Anyone) -> None:
        """Book."""

    @router.post("/fhir/Appointment/{id}/$cancel")
    async def cancel(request: Request, by: Anyone) -> None:
        """Cancel."""

    return router


@pytest.mark.parametrize("room", rooms())
async def test_what_is_said_is_served_and_what_is_served_is_said(record: Settings, room: str) -> None:
    """For every type and interaction: said means answered by it, unsaid means no such route or a refusal to use it."""
    refused = {rules.type: NotOffered("something else") for rules in owned_by(room)[:1]}
    routers = fhir_routes(room, deletes=refused)
    async with door_of(room, record, routers=routers, accounts=[account("s", Role.SYSTEM)]) as door:
        said = await door.ask("GET", "/fhir/metadata")
        assert said.status == 200
        assert check(said.body, type="CapabilityStatement")["fhirVersion"] == "4.0.1"
        resources = {one["type"]: one for one in said.json["rest"][0]["resource"]}
        assert set(resources) == {rules.type for rules in owned_by(room)}
        for type_, resource in resources.items():
            interactions = {one["code"] for one in resource["interaction"]}
            for interaction, (method, path) in ASKS.items():
                answer = await door.ask(
                    method, f"/fhir/{type_}{path}", by="s", body=b"{}" if method in {"POST", "PUT"} else b""
                )
                not_there = answer.status == 405 and answer.codes[0] in {"not-supported", "write-not-offered"}
                unrouted = answer.status == 404 and answer.codes == ["not-found"]
                assert (interaction in interactions) is not (not_there or unrouted), (type_, interaction, answer.status)


def test_operations_are_read_from_the_routes() -> None:
    """An operation appears under its type because its route exists."""
    app = FastAPI()
    app.include_router(operations())
    said = capability_of("appointments", app.routes)
    assert [one["name"] for one in said.resources["Appointment"]["operation"]] == ["book", "cancel"]
    assert "interaction" not in said.resources["Appointment"]


def test_the_rooms_statements_become_one() -> None:
    """What the rooms say apart, read back and put together, covers every kept type once."""
    apart: list[RoomCapability] = []
    for room in rooms():
        app = FastAPI()
        for router in fhir_routes(room):
            app.include_router(router)
        said: dict[str, Any] = statement(
            [capability_of(room, app.routes)], base="https://x/fhir", issuer="https://x", now=NOW
        )
        apart.append(RoomCapability.from_statement(room, orjson.loads(orjson.dumps(said))))
    whole = statement(apart, base="https://x/fhir", issuer="https://x", now=NOW)
    assert [one["type"] for one in whole["rest"][0]["resource"]] == sorted(types())
    assert check(orjson.dumps(whole), type="CapabilityStatement")
