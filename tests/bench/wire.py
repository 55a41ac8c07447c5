"""A lean HTTP/1.1 client on one kept-alive connection, so that the client is not what is measured (RFC 9112)."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
FHIR = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, head and body as they came."""

    status: int
    head: bytes
    body: bytes


class Wire(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request and wait for the whole answer. Raises ConnectionResetError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None:
            return
        head = bytes(self._buffer[:end])
        found = LENGTH.search(head)
        whole = end + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) >= whole:
            answer = Answer(int(head[9:12]), head, bytes(self._buffer[end + 4 : whole]))
            del self._buffer[:whole]
            waiting, self._waiting = self._waiting, None
            waiting.set_result(answer)

    def connection_lost(self, reason: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError())


async def connect(port: int) -> Wire:
    """A connection to a port of this machine."""
    _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", port)
    return wire


def request(
    method: str, path: str, *, token: str, body: bytes = b"", key: str = "", more: Mapping[str, str] | None = None
) -> bytes:
    """A request as it goes over the wire, with more headers where some are wanted."""
    lines = [f"{method} {path} HTTP/1.1", "host: bench", f"authorization: Bearer {token}", f"accept: {FHIR}"]
    if body:
        lines += [f"content-type: {FHIR}", f"content-length: {len(body)}"]
    if key:
        lines.append(f"idempotency-key: {key}")
    lines += [f"{name}: {value}" for name, value in (more or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
