"""The identity room: accounts, sign-in, OpenID Connect tokens, signing keys."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI

from kernel.service import Room, application
from kernel.settings import Settings
from services.identity import routes, signing_key


def create_app(settings: Settings) -> FastAPI:
    """The room's application."""
    return application("identity", settings, routers=[routes.open_doors, routes.reads, routes.commands], start=_start)


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    app.state.signing_key = signing_key.load(room.settings)
    return []
