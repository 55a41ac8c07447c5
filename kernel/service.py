"""What every room's process has, opened once in its own event loop: clock, ids, record, Redis, keys of identity."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
import orjson
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kernel import notify
from kernel.auth.tokens import IdentityAway, Verifier
from kernel.clock import Clock, SystemClock
from kernel.database import Database
from kernel.failures import Busy
from kernel.http import Doorway, handle_failures, json
from kernel.ids import Ids, RandomIds
from kernel.settings import Settings
from kernel.telemetry import CONTENT_TYPE_LATEST, generate_latest, place_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Room:
    """One running room."""

    name: str
    settings: Settings
    clock: Clock
    ids: Ids
    database: Database
    redis: "Redis"
    announcer: notify.Announcer
    verifier: Verifier
    closing: AsyncExitStack

    def at_close(self, *endings: Callable[[], Awaitable[None]]) -> None:
        """Have these called when the room closes."""
        for ending in endings:
            self.closing.push_async_callback(ending)


class NotReady(Busy):
    """This room is not ready yet. Try again in a moment."""

    code = "not-ready"


Start = Callable[[FastAPI, Room], Sequence[Coroutine[Any, Any, None]]]
"""What a room runs beside its routes; it may leave things on `app.state` for its guards."""


health = APIRouter()
room_readiness = APIRouter()


def application(
    name: str,
    settings: Settings,
    *,
    routers: Sequence[APIRouter],
    start: Start,
    readiness: APIRouter = room_readiness,
) -> FastAPI:
    """A room's application. Nothing loop-bound exists before its lifespan begins, so it may be made before a fork."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            room = app.state.room = await open_room(name, settings, stack)
            tasks = [asyncio.create_task(_kept_alive(work)) for work in (room.announcer.run(), *start(app, room))]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(
        title=name, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.add_middleware(Doorway, room=name)
    handle_failures(app)
    for router in (health, readiness, *routers):
        app.include_router(router)
    return app


async def open_room(name: str, settings: Settings, stack: AsyncExitStack) -> Room:
    """Everything a room needs, opened in the running loop and closed with the stack."""
    clock = SystemClock(settings.offset)
    database = Database(settings.database_url(name), room=name)
    stack.push_async_callback(database.close)
    redis = notify.connect(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    verifier = Verifier(fetch_keys(settings), issuer=settings.issuer, clock=clock)
    announcer = notify.Announcer(redis)
    return Room(name, settings, clock, RandomIds(clock), database, redis, announcer, verifier, stack)


async def _kept_alive(work: Coroutine[Any, Any, None]) -> None:
    """A background part that falls takes its process with it: the supervisor starts a sound one."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as wrong:
        log.critical("a background part fell: %s", place_of(wrong))
        os._exit(70)


def fetch_keys(settings: Settings) -> Callable[[], Coroutine[Any, Any, dict[str, Any]]]:
    """How a room learns identity's public keys: from identity itself, over the rooms' own network."""

    async def fetch() -> dict[str, Any]:
        base, socket = settings.room_address("identity")
        connector = aiohttp.UnixConnector(socket) if socket else None
        timeout = aiohttp.ClientTimeout(total=3)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
                http.get(f"{base}/.well-known/jwks.json") as answer,
            ):
                answer.raise_for_status()
                keys: dict[str, Any] = orjson.loads(await answer.read())
                return keys
        except aiohttp.ClientError as away:
            raise IdentityAway from away

    return fetch


async def _room(request: Request) -> Room:
    return request.app.state.room  # type: ignore[no-any-return]


TheRoom = Annotated[Room, Depends(_room)]


@health.get("/healthz")
async def healthz() -> Response:  # rule: guarded-routes because it tells nothing of anyone
    """The process is alive."""
    return json({"status": "alive"})


@room_readiness.get("/readyz")
async def readyz(room: TheRoom) -> Response:  # rule: guarded-routes because it tells nothing of anyone
    """The process can do its work: the record answers. Redis may be away; live pages then wait for the poll."""
    async with room.database.reading() as tx:
        await tx.raw.fetchval("select 1")
    try:
        await room.redis.ping()
        live = "ok"
    except (RedisError, OSError):
        live = "away"
    return json({"status": "ready", "record": "ok", "live": live})


@room_readiness.get("/metrics")
async def metrics() -> Response:  # rule: guarded-routes because counters name nobody
    """Counters for the operator; the gateway does not pass this route on."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
