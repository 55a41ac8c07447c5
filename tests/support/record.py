"""A migrated record alone and rooms to ask it through: what the record's own tests stand on."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
from fastapi import APIRouter, FastAPI

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import TokenMissing
from kernel.service import Room, application
from kernel.settings import Settings
from record.interactions.edge import open_record
from tests.support.postgres import running_postgres
from yuzhen import embedded, secret
from yuzhen.migrate import _roles_and_schemas, owner_url, upgrade
from yuzhen.rooms import ROOT


async def migrate_record(settings: Settings) -> None:
    """Roles, schemas and the record's tables."""
    await _roles_and_schemas(settings)
    await upgrade(owner_url(settings), folder=ROOT / "kernel" / "migrations", schema="flow")
    await upgrade(owner_url(settings), folder=ROOT / "record" / "migrations", schema="record")


@contextmanager
def migrated_record() -> Iterator[Settings]:
    """Settings of a fresh record, on PostgreSQL 15 when YUZHEN_TEST_POSTGRES names the folder of its programs."""
    folder = os.environ.get("YUZHEN_TEST_POSTGRES")
    programs = mock.patch.object(embedded, "postgres_program", lambda name: Path(folder or "") / name)
    with programs if folder else nullcontext(), _fresh_record() as settings:
        yield settings


@contextmanager
def _fresh_record() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="yz-") as folder:
        settings = Settings(state_folder=folder, log_level="WARNING")
        secret.ensure(settings.secrets, "page-cursor-key")
        with running_postgres(settings, log=Path(folder) / "postgres.log"):
            asyncio.run(migrate_record(settings))
            yield settings


@dataclass(frozen=True, slots=True)
class Answer:
    """What a room answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """Our own codes in an OperationOutcome."""
        return [issue["details"]["coding"][0]["code"] for issue in self.json["issue"]]


@dataclass(slots=True)
class Signed:
    """A verifier for tests: the token is the account's name."""

    accounts: dict[str, Principal]

    async def principal(self, authorization: str | None) -> Principal:
        if authorization is None:
            raise TokenMissing
        return self.accounts[authorization.removeprefix("Bearer ")]


def account(
    name: str, role: Role, *, fhir_user: str = "", clinics: tuple[str, ...] = (), organization: str = ""
) -> Principal:
    """A signed-in account."""
    return Principal(name, role, fhir_user, clinics, organization, f"token-{name}", datetime(2099, 1, 1, tzinfo=UTC))


@dataclass(slots=True)
class RoomDoor:
    """A room's application, asked without a network."""

    app: FastAPI

    async def ask(
        self, method: str, path: str, *, by: str | None = None, body: bytes | dict[str, Any] = b"", **headers: str
    ) -> Answer:
        """One request; header names with underscores for hyphens."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content:
            sent.setdefault("content-type", "application/fhir+json")
        if by:
            sent["authorization"] = f"Bearer {by}"
        place, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": place,
            "raw_path": place.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        return await _asked(self.app, scope, content)


async def _asked(app: FastAPI, scope: dict[str, Any], content: bytes) -> Answer:
    told: list[Any] = []
    requests = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> Any:
        try:
            return next(requests)
        except StopIteration:
            return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    start = told[0]
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in told[1:]))


@asynccontextmanager
async def door_of(
    room: str, settings: Settings, *, routers: Sequence[APIRouter], accounts: Sequence[Principal]
) -> AsyncIterator[RoomDoor]:
    """A room with these routes, its lifespan running, these accounts known."""

    def start(app: FastAPI, opened: Room) -> Sequence[Any]:
        opened.verifier = Signed({one.account: one for one in accounts})  # type: ignore[assignment]
        return [open_record(app, opened)]

    app = application(room, settings, routers=routers, start=start)
    async with app.router.lifespan_context(app):
        yield RoomDoor(app)
