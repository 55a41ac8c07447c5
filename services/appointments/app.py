"""The appointments room: directory, diary, booking and queue."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI

from kernel.database import Transaction
from kernel.events import Consumer
from kernel.service import Room, application
from kernel.settings import Settings
from record.interactions.edge import open_record
from record.rest import fhir_routes
from services.appointments import events, queueing, routes

NAME = "appointments"


def create_app(settings: Settings) -> FastAPI:
    """The room's application."""
    plain = fhir_routes(
        NAME, creates=routes.CREATES, updates=routes.UPDATES, deletes=routes.DELETES, entries=routes.ENTRIES
    )
    return application(NAME, settings, routers=[*plain, routes.reads, routes.commands], start=_start)


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    async def visit_started(tx: Transaction, body: bytes) -> None:
        await queueing.visit_started(tx, events.appointment_of_started(body), now=room.clock.now())

    async def visit_finished(tx: Transaction, body: bytes) -> None:
        await queueing.visit_finished(tx, events.appointment_of_finished(body), now=room.clock.now())

    heard = {events.VISIT_STARTED: visit_started, events.VISIT_FINISHED: visit_finished}
    return [open_record(app, room), Consumer(NAME, room.database, room.redis, room.clock, heard).run()]
