"""Passing a request on to its room, body unread, over connections that stay open."""

import logging
from collections.abc import Mapping

import aiohttp
from fastapi import Request
from fastapi.responses import Response
from yarl import URL

from kernel.failures import Busy
from kernel.settings import Settings
from kernel.telemetry import place_of

log = logging.getLogger(__name__)

PASSED_IN = frozenset(
    {
        *("accept", "accept-language", "authorization", "content-type", "idempotency-key"),
        *("if-match", "if-none-match", "if-none-exist", "if-modified-since", "prefer"),
    }
)
PASSED_BACK = frozenset(
    {
        *("content-type", "etag", "last-modified", "location", "cache-control", "retry-after", "allow"),
        *("www-authenticate", "content-security-policy", "idempotency-replayed", "link"),
    }
)
WITHIN = aiohttp.ClientTimeout(total=30, connect=5)


class RoomAway(Busy):
    """The room that does this is not reachable just now. Nothing was lost; try again with the same Idempotency-Key."""

    code = "room-away"


class Corridor:
    """The gateway's open connections to one room."""

    def __init__(self, room: str, settings: Settings) -> None:
        self.room = room
        self._base, socket = settings.room_address(room)
        connector = aiohttp.UnixConnector(socket, limit=64) if socket else aiohttp.TCPConnector(limit=64)
        self._http = aiohttp.ClientSession(
            connector=connector, timeout=WITHIN, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def pass_on(self, request: Request, *, origin: str, request_id: str) -> Response:
        """The room's answer to a request. Raises RoomAway when there is none."""
        headers = {name: value for name, value in request.headers.items() if name in PASSED_IN}
        headers |= own_headers(origin, request_id)
        query = request.url.query
        target = f"{request.scope['raw_path'].decode('ascii')}{f'?{query}' if query else ''}"
        answer = await self.send(request.method, target, headers=headers, body=await request.body())
        answer.headers["x-request-id"] = request_id
        return answer

    async def send(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes) -> Response:
        """What the room answers at this address, with those of its headers that are passed back. Raises RoomAway."""
        url = URL(f"{self._base}{target}", encoded=True)
        try:
            async with self._http.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
                return Response(content, answer.status, headers=_back(answer.headers))
        except (TimeoutError, aiohttp.ClientError, OSError) as away:
            log.warning("room %s away: %s", self.room, place_of(away))
            raise RoomAway from away

    async def ask(self, path: str) -> tuple[int, bytes]:
        """A short question of the gateway's own, such as whether the room is ready. Raises RoomAway."""
        try:
            async with self._http.get(f"{self._base}{path}", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                return answer.status, await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as away:
            raise RoomAway from away

    async def close(self) -> None:
        await self._http.close()


def own_headers(origin: str, request_id: str) -> dict[str, str]:
    """What the gateway itself says with each request it passes on."""
    return {"x-yuzhen-origin": origin, "x-request-id": request_id}


def _back(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in PASSED_BACK}
