"""The public door: who asks is checked here first, then the room that owns the address answers."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.forwarding import Corridor, RoomAway
from gateway.routing import is_open, room_for
from kernel.failures import NotAllowed, Unknown
from kernel.http import json
from kernel.service import NotReady, Room

readiness = APIRouter()
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class AddressUnknown(Unknown):
    """Nothing lives at this address. GET /fhir/metadata lists what does."""

    code = "address-unknown"


class BundleNotOffered(NotAllowed):
    """Batches and transactions are not offered at this address yet. Send the entries one by one."""

    code = "bundle-not-offered"


@readiness.get("/readyz")
async def readyz(request: Request) -> Response:  # rule: guarded-routes because it tells nothing of anyone
    """Every room can do its work."""
    corridors: dict[str, Corridor] = request.app.state.corridors
    answers = await asyncio.gather(*(_state(corridor) for corridor in corridors.values()))
    states = dict(zip(corridors, answers, strict=True))
    if any(state != "ready" for state in states.values()):
        raise NotReady(", ".join(f"{room}: {state}" for room, state in states.items() if state != "ready"))
    return json({"status": "ready", "rooms": states})


async def _state(corridor: Corridor) -> str:
    try:
        status, _ = await corridor.ask("/readyz")
    except RoomAway:
        return "away"
    return "ready" if status == 200 else "not ready"


async def pass_on(request: Request) -> Response:
    """Pass a request to its room, after the token was checked where one is needed."""
    path = request.url.path
    if path.rstrip("/") == "/fhir" and request.method == "POST":
        raise BundleNotOffered
    owner = room_for(path)
    if owner is None:
        raise AddressUnknown
    room: Room = request.app.state.room
    if not is_open(path):
        await room.verifier.principal(request.headers.get("authorization"))
    corridor: Corridor = request.app.state.corridors[owner]
    return await corridor.pass_on(request, origin=_origin(request, room), request_id=room.ids.new())


def _origin(request: Request, room: Room) -> str:
    """The address the browser sees, so that a person who came by another name of this machine returns to it."""
    scheme = "https" if room.settings.tls == "auto" or room.settings.address.startswith("https:") else "http"
    return f"{scheme}://{request.headers.get('host', '')}"
