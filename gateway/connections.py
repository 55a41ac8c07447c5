"""A lean HTTP/1.1 client: connections to one room that stay open, read by httptools (RFC 9112).

What a general client does for each request beside this costs the gateway more than the passing on itself.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlsplit

import httptools

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
BREAKS = re.compile(r"[\r\n\0]")
AT_ONCE = 64
CONNECT_WITHIN = 5.0
IDLE_AT_MOST = 30.0
"""Seconds; shorter than a room keeps an idle connection, so that no request meets one being closed."""
REPEATABLE = frozenset({"GET", "HEAD"})
BODILESS = frozenset({"GET", "HEAD", "DELETE"})
"""Methods that need not say that they bring no body."""


class Broken(OSError):
    """The connection ended, or what came over it was no HTTP, before the answer was whole."""


@dataclass(slots=True)
class Answer:
    """What came back, header names in lower case."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parts: list[bytes] = []
        self._to_head = False
        self._heard = False
        self.asked = 0
        self.idle_since = 0.0
        self.is_open = True
        """Whether another request may go over it."""

    @property
    def was_stale(self) -> bool:
        """Whether it had been closed at the other end, unnoticed, before this request: nobody has seen the request."""
        return self.asked > 1 and not self._heard

    async def ask(self, message: bytes, *, to_head: bool) -> Answer:
        """Send a whole request and wait for the whole answer. Raises Broken."""
        if self._transport is None or not self.is_open:
            raise Broken
        self._parser, self._answer, self._parts = httptools.HttpResponseParser(self), Answer(), []
        self._to_head, self._heard, self.asked = to_head, False, self.asked + 1
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._waiting

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A part of the answer came."""
        self._heard = True
        try:
            if self._parser is None or self._waiting is None:
                raise Broken
            self._parser.feed_data(data)
        except (httptools.HttpParserError, Broken):
            self.close()

    def connection_lost(self, reason: Exception | None) -> None:
        """It ended."""
        self.is_open = False
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(Broken())

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer."""
        self._answer.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The answer's header is whole; an answer to HEAD speaks of a body that does not follow."""
        self._answer.status = self._parser.get_status_code() if self._parser else 0
        if self._to_head:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._parser is None or self._waiting is None or self._waiting.done() or self._answer.status < 200:
            return
        self.is_open = self.is_open and self._parser.should_keep_alive()
        self._answer.body = b"".join(self._parts)
        self._waiting.set_result(self._answer)
        self._parser = self._waiting = None


class Connections:
    """Up to 64 open connections to one room, by its address or its private socket."""

    def __init__(self, base: str, socket: str | None) -> None:
        self._base, self._socket = urlsplit(base), socket
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(AT_ONCE)

    async def ask(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes = b"", within: float
    ) -> Answer:
        """The room's answer. Raises OSError, TimeoutError; a request that only reads is sent again if nobody saw it."""
        message = self._message(method, target, headers, body)
        async with asyncio.timeout(within), self._places:
            while True:
                connection = self._kept() or await self._opened()
                try:
                    return await connection.ask(message, to_head=method == "HEAD")
                except Broken:
                    if not (method in REPEATABLE and connection.was_stale):
                        raise
                except BaseException:
                    connection.close()
                    raise
                finally:
                    self._give_back(connection)

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in self._idle:
            connection.close()

    def _message(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{method} {quote(target, safe=PRINTABLE)} HTTP/1.1", f"host: {self._base.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method not in BODILESS:
            lines.append(f"content-length: {len(body)}")
        if any(BREAKS.search(line) for line in lines):
            raise ValueError("a header holds a line break")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and asyncio.get_running_loop().time() - connection.idle_since < IDLE_AT_MOST:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        if connection.is_open:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()

    async def _opened(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_WITHIN):
            if self._socket:
                return (await loop.create_unix_connection(Connection, self._socket))[1]
            tls = self._base.scheme == "https"
            port = self._base.port or (443 if tls else 80)
            return (await loop.create_connection(Connection, self._base.hostname or "", port, ssl=tls or None))[1]
