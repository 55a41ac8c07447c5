"""What a room's FHIR routes stand on: ids in addresses, the audit writer, and the key of page links."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI, Request
from starlette.convertors import Convertor, register_url_convertor

from kernel.auth.principal import Principal
from kernel.database import Database, Transaction
from kernel.service import Room
from record.audit import AuditEntry, AuditWriter, written
from record.search.cursor import Cursors

PAGE_KEY = "page-cursor-key"


class Name(Convertor[str]):
    """A part of an address that is taken as it stands."""

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class ResourceId(Name):
    """A FHIR id in an address; `$operation`, `_search` and `_history` are none."""

    regex = r"[A-Za-z0-9\-.]{1,64}"


register_url_convertor("fhirid", ResourceId())


def open_record(app: FastAPI, room: Room) -> Coroutine[Any, Any, None]:
    """Give a room's application its audit writer and page links; the coroutine must run beside the routes."""
    # A read holds its connection while it waits to be recorded: the writer must never wait for the same pool.
    own = Database(room.settings.database_url(room.name), room=room.name, size=1)
    app.state.audit = AuditWriter(own, room.clock, room.ids)
    app.state.cursors = Cursors(room.settings.secret(PAGE_KEY))
    audit: AuditWriter = app.state.audit
    return audit.run()


def cursors(request: Request) -> Cursors:
    """The key of page links."""
    return request.app.state.cursors  # type: ignore[no-any-return]


def room_of(request: Request) -> Room:
    """The running room."""
    return request.app.state.room  # type: ignore[no-any-return]


def base_of(request: Request) -> str:
    """The public address of the FHIR interface."""
    return f"{room_of(request).settings.address}/fhir"


def request_id(request: Request) -> str:
    """The request's name as the gateway gave it."""
    return request.headers.get("x-request-id", "")[:64]


async def saw(request: Request, entries: Sequence[AuditEntry]) -> None:
    """Record reads before their answer is given."""
    audit: AuditWriter = request.app.state.audit
    await audit.seen(*entries)


async def did(request: Request, entry: AuditEntry) -> None:
    """Record a change in its own transaction."""
    room = room_of(request)
    tx: Transaction = request.state.tx
    await written(tx, entry, ids=room.ids, now=room.clock.now())


def asker(request: Request) -> Principal:
    """Who asks."""
    return request.state.principal  # type: ignore[no-any-return]
