"""The gateway: the only public door of the house."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from gateway import live, metadata, pages, routes
from gateway.forwarding import Corridor
from gateway.published import Published
from gateway.routing import rooms
from gateway.turns import Turns
from kernel.service import Room, application
from kernel.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The gateway's application."""
    routers = [live.router, pages.router, metadata.router]
    app = application("gateway", settings, routers=routers, start=_start, readiness=routes.readiness)
    app.add_middleware(pages.SafeHeaders)
    # A plain route, after all others: passing on needs nothing of what the framework does for a request.
    app.router.routes.append(Route("/{path:path}", routes.pass_on, methods=routes.METHODS))
    return app


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    app.state.corridors = {name: Corridor(name, room.settings) for name in rooms()}
    app.state.published = Published(app.state.corridors, app.routes, room)
    app.state.turns = Turns()
    app.state.relay = live.Relay(room.redis)
    room.at_close(*(corridor.close for corridor in app.state.corridors.values()))
    return [app.state.relay.run()]
