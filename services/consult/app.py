"""The consult room: visits, messages, and the way into the media node's rooms."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from kernel import notify
from kernel.database import Transaction
from kernel.events import Consumer, Handler
from kernel.failures import Failure
from kernel.service import Room, application
from kernel.settings import Settings
from record.interactions.edge import open_record
from services.consult import arriving, events, meeting, routes
from services.consult.rtc.client import NodeClient
from services.consult.rtc.events import Connected, Event, Hello, Left, MediaFlowing

log = logging.getLogger(__name__)

CLOSE_WITHIN = 1.0


def create_app(settings: Settings) -> FastAPI:
    """The room's application."""
    routers = [*routes.fhir_routers(), routes.commands, routes.doors]
    return application("consult", settings, routers=routers, start=_start)


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    node = app.state.node = NodeClient(room.settings.rtc_address)
    consumer = Consumer("consult", room.database, room.redis, room.clock, handlers(room, node))
    return [open_record(app, room), consumer.run(), _follow(node, room)]


def handlers(room: Room, node: NodeClient) -> Mapping[str, Handler]:
    """What is done about each fact the room hears."""

    async def booked(tx: Transaction, body: bytes) -> None:
        await arriving.booked(tx, events.appointment_of_booked(body), now=room.clock.now())

    async def cancelled(tx: Transaction, body: bytes) -> None:
        await arriving.cancelled(tx, events.appointment_of_cancelled(body), now=room.clock.now())

    async def called(tx: Transaction, body: bytes) -> None:
        await arriving.called(tx, events.call_of(body), now=room.clock.now())

    async def finished(tx: Transaction, body: bytes) -> None:
        # A node that hangs must not keep the next patient's call waiting: the fact comes again later.
        async with asyncio.timeout(CLOSE_WITHIN):
            await node.close_room(events.encounter_of_finished(body))

    return {events.BOOKED: booked, events.CANCELLED: cancelled, events.CALLED: called, events.FINISHED: finished}


async def _follow(node: NodeClient, room: Room) -> None:
    """Pass on what happens in the node's rooms, for as long as the process lives."""
    async with node:
        async for event in node.events():
            try:
                await _heard(event, node, room)
            except Failure as away:
                log.warning("a media event was not passed on: %s", away.code)


async def _heard(event: Event, node: NodeClient, room: Room) -> None:
    match event:
        case Connected() | MediaFlowing() | Left():
            async with room.database.reading() as tx:
                words = await meeting.words_of(tx, event.room)
            await notify.announce(room.redis, words)
        case Hello(present=present):
            async with room.database.reading() as tx:
                over = await meeting.closed_among(tx, sorted({place for place, _ in present}))
            for place in over:
                await node.close_room(place)
