"""What the whole house serves, put together from what each room says of itself and kept for a moment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.routing import BaseRoute

from gateway.forwarding import Corridor, RoomAway
from kernel.service import Room
from record.conformance.capability import RoomCapability, capability_of, statement
from record.conformance.openapi import document
from record.conformance.operation_definitions import merged, operation_definitions

KEPT_FOR = timedelta(seconds=30)
"""Everybody may ask, so the rooms are not asked each time."""


@dataclass(frozen=True, slots=True)
class House:
    """What all rooms and the gateway itself serve."""

    asked_at: datetime
    rooms: Sequence[RoomCapability]
    operations: Sequence[dict[str, Any]]


class Published:
    """The house's word about itself."""

    def __init__(self, corridors: Mapping[str, Corridor], routes: Sequence[BaseRoute], room: Room) -> None:
        self._corridors = corridors
        self._routes = routes
        self._room = room
        self._kept: House | None = None
        self._document: tuple[House, bytes] | None = None
        self._asking = asyncio.Lock()

    async def house(self) -> House:
        """What is served. Raises RoomAway while a room cannot say its part."""
        async with self._asking:
            now = self._room.clock.now()
            if self._kept is None or now - self._kept.asked_at > KEPT_FOR:
                self._kept = await self._asked(now)
            return self._kept

    async def statement(self) -> dict[str, Any]:
        """The CapabilityStatement of the house. Raises RoomAway."""
        house, settings = await self.house(), self._room.settings
        return statement(house.rooms, base=f"{settings.address}/fhir", issuer=settings.issuer, now=house.asked_at)

    async def openapi(self) -> bytes:
        """The same as an OpenAPI document. Raises RoomAway."""
        house = await self.house()
        if self._document is None or self._document[0] is not house:
            self._document = house, orjson.dumps(document(await self.statement(), house.operations))
        return self._document[1]

    async def _asked(self, now: datetime) -> House:
        corridors = self._corridors.values()
        said = await asyncio.gather(*(_said(one, "/fhir/metadata") for one in corridors))
        told = await asyncio.gather(*(_said(one, "/fhir/OperationDefinition") for one in corridors))
        rooms = [
            RoomCapability.from_statement(name, one) for name, one in zip(self._corridors, said, strict=True) if one
        ]
        operations = [entry["resource"] for one in told if one for entry in one.get("entry", ())]
        own = capability_of("gateway", self._routes)
        return House(now, [*rooms, own], merged([*operations, *operation_definitions(self._routes)]))


async def _said(corridor: Corridor, path: str) -> dict[str, Any] | None:
    """A room's answer; None from one that has no FHIR interface. Raises RoomAway."""
    status, body = await corridor.ask(path)
    if status not in {200, 404}:
        raise RoomAway
    found: dict[str, Any] | None = orjson.loads(body) if status == 200 else None
    return found
