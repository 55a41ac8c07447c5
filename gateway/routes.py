"""The public door: who asks is checked here first, then the room that owns the address answers."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.batch import Batch
from gateway.forwarding import Corridor, RoomAway
from gateway.routing import is_open, room_for
from gateway.turns import Turns
from kernel.auth.principal import Principal
from kernel.failures import NotAllowed, Unknown, UnsupportedMedia
from kernel.http import FHIR_JSON, allowed, json
from kernel.service import NotReady, Room
from record.bundles.entries import Bundle
from record.bundles.runner import run_of
from record.failures import ParameterUnknown
from record.interactions.edge import base_of
from record.interactions.interaction import query_of
from record.interactions.negotiation import accepts_json, sends_json

readiness = APIRouter()
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class AddressUnknown(Unknown):
    """Nothing lives at this address. GET /fhir/metadata lists what does."""

    code = "address-unknown"


class BodyCompressed(UnsupportedMedia):
    """The body is compressed. Send it as it is, without Content-Encoding."""

    code = "body-compressed"


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
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BodyCompressed
    if path in {"/fhir", "/fhir/"}:
        if request.method != "POST":
            raise NotAllowed("Bundles are sent here by POST.", headers={"Allow": "POST"})
        return await bundle(request)
    owner = room_for(path)
    if owner is None:
        raise NotAllowed if allowed(request) else AddressUnknown
    room: Room = request.app.state.room
    corridor: Corridor = request.app.state.corridors[owner]
    if is_open(path):
        return await corridor.pass_on(request, origin=_origin(request, room), request_id=room.ids.new())
    by = await room.verifier.principal(request.headers.get("authorization"))
    turns: Turns = request.app.state.turns
    async with turns.turn(by):
        return await corridor.pass_on(request, origin=_origin(request, room), request_id=room.ids.new())


async def bundle(request: Request) -> Response:
    """A batch taken apart and put together again, or a transaction passed to the one room that runs it."""
    room: Room = request.app.state.room
    by = await room.verifier.principal(request.headers.get("authorization"))
    accepts_json(request)
    sends_json(request.headers.get("content-type", ""))
    if query_of(request):
        raise ParameterUnknown("A Bundle is sent to the base itself.")
    sent = Bundle.read(await request.body())
    turns: Turns = request.app.state.turns
    async with turns.turn(by):
        return await _carried_out(request, sent, by)


async def _carried_out(request: Request, sent: Bundle, by: Principal) -> Response:
    room, base = request.app.state.room, base_of(request)
    corridors: dict[str, Corridor] = request.app.state.corridors
    request_id, origin = room.ids.new(), _origin(request, room)
    if sent.type == "batch":
        batch = Batch(corridors, request.headers, origin, base, request_id)
        headers = {"x-request-id": request_id}
        return Response(await batch.answer(sent.entries), headers=headers, media_type=FHIR_JSON)
    run = run_of(sent.read_all(base=base), by.role)
    request.scope["raw_path"] = b"/fhir"
    return await corridors[run.room].pass_on(request, origin=origin, request_id=request_id)


def _origin(request: Request, room: Room) -> str:
    """The address the browser sees, so that a person who came by another name of this machine returns to it."""
    scheme = "https" if room.settings.tls == "auto" or room.settings.address.startswith("https:") else "http"
    return f"{scheme}://{request.headers.get('host', '')}"
