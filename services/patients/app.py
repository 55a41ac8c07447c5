"""The patients room: who the patients are, what is known of them, and who has looked at it."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI

from kernel.service import Room, application
from kernel.settings import Settings
from record.interactions.edge import open_record
from services.patients import everything_routes, routes


def create_app(settings: Settings) -> FastAPI:
    """The room's application."""
    routers = [*routes.fhir_routers(), everything_routes.reads, routes.reads]
    return application("patients", settings, routers=routers, start=_start)


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    room.settings.secret(routes.IDENTITY_KEY)
    return [open_record(app, room)]
