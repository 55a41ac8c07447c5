"""The consult room's doors: visits and messages over FHIR, and the video room."""

import contextlib
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from kernel import notify
from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.failures import Failure, Invalid
from kernel.http import CommandRoute, InTransaction, allow, json
from kernel.service import Room, TheRoom
from record.audit import AuditEntry, written
from record.interactions.answers import shown
from record.interactions.cases import NotOffered
from record.interactions.edge import did, request_id
from record.interactions.operations import gives, needs, operation, parameters_in
from record.rest import fhir_routes
from record.stored import Stored
from services.consult import chatting, confirming, meeting, policy, visiting
from services.consult.failures import OfferMissing
from services.consult.rtc.client import NodeClient

LONGEST_OFFER = 256 * 1024

doors = APIRouter()
commands = APIRouter(route_class=CommandRoute)

TheDoctor = Annotated[Principal, Depends(allow(Role.PRACTITIONER))]


async def _node(request: Request) -> NodeClient:
    return request.app.state.node  # type: ignore[no-any-return]


TheNode = Annotated[NodeClient, Depends(_node)]
"""The media node all rooms of this process are on."""


async def _send(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    return await chatting.send(tx, resource, body, id=id, by=by, now=room.clock.now())


def fhir_routers() -> list[APIRouter]:
    """The plain FHIR interactions on Encounter and Communication."""
    operations = NotOffered(
        "Encounter/[id]/$start, /$confirm-follow-up, /$finish; it begins when the patient is called"
    )
    kept = NotOffered(f"a further Communication: what was written is kept unchanged. {policy.cited('EMR-01')}")
    return fhir_routes(
        "consult",
        creates={"Encounter": operations, "Communication": _send},
        updates={"Encounter": operations, "Communication": kept},
        deletes={"Encounter": operations, "Communication": kept},
    )


@commands.post("/fhir/Encounter/{id:fhirid}/$start", openapi_extra=operation(gives("Encounter")))
async def start(id: str, request: Request, by: TheDoctor, tx: InTransaction, room: TheRoom) -> Response:
    """Begin a visit in the clinic; a video visit begins when its doctor joins."""
    begun = await visiting.start(tx, id, by=by, ids=room.ids, now=room.clock.now())
    return await _changed(request, "$start", begun, by=by)


@commands.post(
    "/fhir/Encounter/{id:fhirid}/$confirm-follow-up",
    openapi_extra=operation(needs("is-follow-up", "boolean"), gives("Encounter")),
)
async def confirm_follow_up(id: str, request: Request, by: TheDoctor, tx: InTransaction, room: TheRoom) -> Response:
    """Judge whether an online visit follows up a disease diagnosed before (TELE-01)."""
    judgement = parameters_in(request, await request.body()).get("is-follow-up")
    if not isinstance(judgement, bool):
        raise Invalid("The parameter is-follow-up needs one valueBoolean.", expression="Parameters.parameter")
    judged = await confirming.confirm_follow_up(tx, id, judgement=judgement, by=by, now=room.clock.now())
    return await _changed(request, "$confirm-follow-up", judged, by=by)


@commands.post("/fhir/Encounter/{id:fhirid}/$finish", openapi_extra=operation(gives("Encounter")))
async def finish(id: str, request: Request, by: TheDoctor, tx: InTransaction, room: TheRoom) -> Response:
    """End a visit."""
    ended = await visiting.finish(tx, id, by=by, ids=room.ids, now=room.clock.now())
    return await _changed(request, "$finish", ended, by=by)


# rule: guarded-routes because the node is asked between two transactions, so the caller is made out by hand
@doors.post("/consult/rooms/{encounter:fhirid}/participants")
async def join(encounter: str, request: Request, room: TheRoom, node: TheNode) -> Response:
    """Join the video room: offer in, answer out. With the doctor the visit begins. Joining again replaces the line."""
    by = await room.verifier.principal(request.headers.get("authorization"))
    async with room.database.transaction() as tx:
        place = await meeting.admitted(tx, encounter, by=by)
    offer = _offer(await request.body())
    answer = await node.join(room=place.room, participant=place.participant, offer=offer)
    try:
        async with room.database.transaction() as tx:
            entered = await meeting.entered(tx, place, by=by, ids=room.ids, now=room.clock.now())
            await _audited(tx, request, "join", entered, by=by, room=room)
    except Failure:
        with contextlib.suppress(Failure):
            await node.leave(room=place.room, participant=place.participant)
        raise
    await notify.announce(room.redis, tx.words)
    return json({"participant": place.participant, "sdp": answer}, status=201)


# rule: guarded-routes because the node is asked after the transaction, so the caller is made out by hand
@doors.delete("/consult/rooms/{encounter:fhirid}/participants/{participant}")
async def leave(encounter: str, participant: str, request: Request, room: TheRoom, node: TheNode) -> Response:
    """Leave the video room. Leaving twice changes nothing."""
    by = await room.verifier.principal(request.headers.get("authorization"))
    async with room.database.transaction() as tx:
        place, found = await meeting.own_place(tx, encounter, participant, by=by)
        await _audited(tx, request, "leave", found, by=by, room=room)
    await node.leave(room=place.room, participant=place.participant)
    return Response(status_code=204)


async def _changed(request: Request, name: str, encounter: Stored, *, by: Principal) -> Response:
    await did(request, _entry(request, name, encounter, by=by))
    return shown(encounter)


async def _audited(
    tx: Transaction, request: Request, name: str, encounter: Stored, *, by: Principal, room: Room
) -> None:
    await written(tx, _entry(request, name, encounter, by=by), ids=room.ids, now=room.clock.now())


def _entry(request: Request, name: str, encounter: Stored, *, by: Principal) -> AuditEntry:
    return AuditEntry.by(
        by,
        "E",
        name,
        "Encounter",
        entity=encounter.reference,
        version=encounter.version,
        patient=encounter.patient,
        request=request_id(request),
    )


def _offer(body: bytes) -> str:
    """The session description in a request. Raises OfferMissing."""
    try:
        wanted = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise OfferMissing from None
    offer = wanted.get("sdp") if isinstance(wanted, dict) else None
    if not isinstance(offer, str) or not 0 < len(offer) <= LONGEST_OFFER:
        raise OfferMissing
    return offer
