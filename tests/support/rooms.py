"""Rooms as they really run: their own application on their own socket, asked over HTTP with identity's tokens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvicorn
from redis.asyncio import Redis

from kernel import notify
from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.clock import SystemClock
from kernel.settings import Settings
from services.identity.app import load_key
from tests.support.record import Answer
from yuzhen import embedded
from yuzhen.rooms import application
from yuzhen.serve import listen

FHIR = "application/fhir+json"
STARTS_WITHIN = 30.0


class QuietServer(uvicorn.Server):
    """A server that leaves the process's signals to the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


@dataclass(frozen=True, slots=True)
class Door:
    """A running room, asked over its socket."""

    room: str
    http: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, *, token: str | None = None, body: Any = None, **headers: str
    ) -> Answer:
        """One request; `body` is bytes or what becomes JSON, header names have underscores for hyphens."""
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            sent.setdefault("content-type", FHIR if path.startswith("/fhir") else "application/json")
        if token:
            sent["authorization"] = f"Bearer {token}"
        async with self.http.request(method, f"http://{self.room}{path}", data=content, headers=sent) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, names, await answer.read())


@asynccontextmanager
async def running(room: str, settings: Settings) -> AsyncIterator[Door]:
    """A room in this process; identity runs beside it, for its keys, unless it runs already."""
    async with contextlib.AsyncExitStack() as stack:
        if room != "identity" and not await _answers(settings.runtime / "identity.sock"):
            await stack.enter_async_context(_served("identity", settings))
        await stack.enter_async_context(_served(room, settings))
        connector = aiohttp.UnixConnector(str(settings.runtime / f"{room}.sock"))
        yield Door(room, await stack.enter_async_context(aiohttp.ClientSession(connector=connector)))


def token(
    settings: Settings,
    role: Role,
    *,
    fhir_user: str = "",
    clinics: tuple[str, ...] = (),
    organization: str = "",
    account: str = "",
) -> str:
    """An access token as identity issues it."""
    return token_of(settings, principal(role, fhir_user, clinics=clinics, organization=organization, account=account))


def principal(
    role: Role,
    fhir_user: str = "",
    *,
    clinics: tuple[str, ...] = (),
    organization: str = "",
    account: str = "",
) -> Principal:
    """Someone who has signed in for the coming hour."""
    name = account or fhir_user.rpartition("/")[2] or role.value
    expires_at = SystemClock().now() + timedelta(hours=1)
    return Principal(name, role, fhir_user, clinics, organization, f"token-{name}", expires_at)


def token_of(settings: Settings, by: Principal) -> str:
    """The access token of a principal."""
    return issue(by, key=load_key(settings), issuer=settings.issuer, issued_at=SystemClock().now())


@asynccontextmanager
async def running_valkey(settings: Settings) -> AsyncIterator["Redis"]:
    """Valkey at the settings' address, for tests of live words; most tests do without."""
    command = embedded.valkey_command(settings)
    ending = embedded.dying_with_parent()
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, preexec_fn=ending)
    redis = notify.connect(settings.redis_url)
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            while not await _answers(settings.runtime / "valkey.sock"):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)
        yield redis
    finally:
        await redis.aclose()
        server.terminate()
        await server.wait()


@asynccontextmanager
async def _served(room: str, settings: Settings) -> AsyncIterator[None]:
    app = application(room, settings)
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listen(settings, room)]))
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            while not server.started:
                if serving.done():
                    raise RuntimeError(f"{room} did not start")
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await serving
        (settings.runtime / f"{room}.sock").unlink(missing_ok=True)


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True
