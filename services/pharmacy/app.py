"""The pharmacy room: prescriptions, their review, and orders on their way to the patient's hand."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI

from kernel.service import Room, application
from kernel.settings import Settings
from record.interactions.edge import open_record
from record.rest import fhir_routes
from services.pharmacy import routes

NAME = "pharmacy"
CODE_KEY = "pharmacy-code-key"
"""The secret from which pick-up codes and claim secrets are derived; changing it voids those of open orders."""


def create_app(settings: Settings) -> FastAPI:
    """The room's application."""
    plain = fhir_routes(NAME, creates=routes.CREATES, updates=routes.UPDATES, deletes=routes.DELETES)
    return application(NAME, settings, routers=[*plain, routes.reads, routes.commands], start=_start)


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    app.state.code_key = room.settings.secret(CODE_KEY).encode()
    return [open_record(app, room)]
