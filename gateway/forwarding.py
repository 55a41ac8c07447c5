"""Passing a request on to its room, body unread, over connections that stay open."""

import logging
from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import Response

from gateway.connections import Connections
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
        *(b"content-type", b"etag", b"last-modified", b"location", b"cache-control", b"retry-after", b"allow"),
        b"accept-patch",
        *(b"www-authenticate", b"content-security-policy", b"idempotency-replayed", b"link"),
    }
)
WITHIN = 30.0
READY_WITHIN = 3.0


class RoomAway(Busy):
    """The room that does this is not reachable just now. Nothing was lost; try again with the same Idempotency-Key."""

    code = "room-away"


class Corridor:
    """The gateway's open connections to one room."""

    def __init__(self, room: str, settings: Settings) -> None:
        self.room = room
        self._room = Connections(*settings.room_address(room))

    async def pass_on(self, request: Request, *, origin: str, request_id: str) -> Response:
        """The room's answer to a request. Raises RoomAway when there is none."""
        headers = {name: value for name, value in request.headers.items() if name in PASSED_IN}
        headers |= own_headers(origin, request_id)
        query = request.scope["query_string"]
        target = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("ascii")
        answer = await self.send(request.method, target, headers=headers, body=await request.body())
        answer.headers["x-request-id"] = request_id
        return answer

    async def send(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes) -> Response:
        """What the room answers at this address, with those of its headers that are passed back. Raises RoomAway."""
        try:
            answer = await self._room.ask(method, target, headers=headers, body=body, within=WITHIN)
        except OSError as away:
            log.warning("room %s away: %s", self.room, place_of(away))
            raise RoomAway from away
        response = Response(answer.body, answer.status)
        if method == "HEAD":
            # The length of what a GET would bring, not that of nothing.
            response.raw_headers = [(name, value) for name, value in answer.headers if name == b"content-length"]
        response.raw_headers += [(name, value) for name, value in answer.headers if name in PASSED_BACK]
        return response

    async def ask(self, path: str) -> tuple[int, bytes]:
        """A short question of the gateway's own, such as whether the room is ready. Raises RoomAway."""
        try:
            answer = await self._room.ask("GET", path, headers={}, within=READY_WITHIN)
        except OSError as away:
            raise RoomAway from away
        return answer.status, answer.body

    async def close(self) -> None:
        self._room.close()


def own_headers(origin: str, request_id: str) -> dict[str, str]:
    """What the gateway itself says with each request it passes on."""
    return {"x-yuzhen-origin": origin, "x-request-id": request_id}
