"""The gateway's connections to a room: kept open, whole answers only, nothing smuggled in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from unittest import mock

import pytest

from gateway.connections import Answer, Broken, Connections

WITHIN = 5.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nETag: 1\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _room(serve: Serve) -> AsyncIterator[Connections]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{port}", None)
    try:
        yield connections
    finally:
        connections.close()
        server.close()


class Room:
    """A room that answers each request with the next of these bytes, and closes after an empty one."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0)
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        writer.close()


async def _get(connections: Connections, method: str = "GET", target: str = "/x") -> Answer:
    return await connections.ask(method, target, headers={"accept": "*/*"}, within=WITHIN)


async def test_a_connection_serves_many_requests() -> None:
    """Requests one after another go over one connection, and say where they go."""
    room = Room(OK, OK, OK)
    async with _room(room) as connections:
        answers = [await _get(connections) for _ in range(3)]
    assert [(one.status, one.body) for one in answers] == [(200, b"ok")] * 3
    assert (b"etag", b"1") in answers[0].headers
    assert room.connections == 1
    assert room.asked[0].startswith(b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:")


async def test_a_connection_idle_for_long_is_not_used_again() -> None:
    """The gateway lets go of it before the room does, so that no change meets a connection being closed."""
    room = Room(OK, OK)
    with mock.patch("gateway.connections.IDLE_AT_MOST", 0.0):
        async with _room(room) as connections:
            assert [(await _get(connections, "POST")).status for _ in range(2)] == [200, 200]
    assert room.connections == 2


async def test_requests_at_once_have_connections_of_their_own() -> None:
    """An answer never goes to another's request."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line.startswith(b"GET"):
                place = line.split()[1]
                await asyncio.sleep(0.01)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(place), place))
        writer.close()

    async with _room(echo) as connections:
        for _ in range(3):
            answers = await asyncio.gather(*(_get(connections, target=f"/{n}") for n in range(80)))
            assert [one.body for one in answers] == [f"/{n}".encode() for n in range(80)]


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    ],
)
async def test_every_kind_of_body(said: bytes, body: bytes) -> None:
    """Chunks are put together, and where no body follows none is waited for; the connection stays in use."""
    room = Room(said, OK)
    async with _room(room) as connections:
        assert (await _get(connections)).body == body
        assert (await _get(connections)).body == b"ok"
    assert room.connections == 1


async def test_an_answer_to_head_has_no_body() -> None:
    """HEAD tells the length of a body that does not follow."""
    room = Room(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", OK)
    async with _room(room) as connections:
        answer = await _get(connections, "HEAD")
        assert (answer.body, dict(answer.headers)[b"content-length"]) == (b"", b"1000")
        assert (await _get(connections)).body == b"ok"
    assert room.connections == 1


async def test_a_read_that_nobody_saw_is_sent_again() -> None:
    """A connection that the room closed unnoticed costs a read nothing."""
    room = Room(OK, b"", OK)
    async with _room(room) as connections:
        await _get(connections)
        assert (await _get(connections)).body == b"ok"
    assert room.connections == 2


async def test_a_change_is_never_sent_twice() -> None:
    """Whether a change was carried out is not known, so its sender must decide."""
    room = Room(OK, b"", OK)
    async with _room(room) as connections:
        await _get(connections)
        with pytest.raises(Broken):
            await _get(connections, "POST")
    assert len(room.asked) == 2


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nx"]
)
async def test_half_an_answer_is_none(said: bytes) -> None:
    """An answer that ends early, or is none, is not given, not even to a read."""
    async with _room(Room(said)) as connections:
        with pytest.raises(Broken):
            await _get(connections)


async def test_a_room_that_hangs_up_is_not_asked_over_that_connection_again() -> None:
    """`connection: close` is believed."""
    room = Room(OK.replace(b"ETag: 1", b"connection: close"), OK)
    async with _room(room) as connections:
        await _get(connections)
        await _get(connections)
    assert room.connections == 2


async def test_a_silent_room_is_not_waited_for_without_end() -> None:
    """Time is up when it is, and the connection is not used again."""
    release = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with _room(silent) as connections:
        with pytest.raises(TimeoutError):
            await connections.ask("GET", "/x", headers={}, within=0.05)
        assert connections._kept() is None
        release.set()


async def test_nothing_is_smuggled_in() -> None:
    """A line break in a header is refused, one in an address is written as what it is."""
    room = Room(OK)
    async with _room(room) as connections:
        with pytest.raises(ValueError, match="line break"):
            await connections.ask("GET", "/x", headers={"if-match": "1\r\nx: y"}, within=WITHIN)
        await _get(connections, target="/x HTTP/1.1\r\nx: y\r\n\r\nGET /z")
    assert room.asked[0].startswith(b"GET /x%20HTTP/1.1%0D%0Ax:%20y%0D%0A%0D%0AGET%20/z HTTP/1.1\r\n")
