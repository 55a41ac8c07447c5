"""The pharmacy's doors: drafts, signature, review, release, claim, hand-over."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.http import FHIR_JSON, Anyone, CommandRoute, InTransaction, ReadRoute, allow
from kernel.service import Room, TheRoom
from record import read
from record.audit import AuditEntry
from record.interactions.answers import fhir as answer
from record.interactions.answers import shown
from record.interactions.bundle import bundle
from record.interactions.cases import Create, Delete, NotOffered, Update
from record.interactions.edge import base_of, did, request_id, saw
from record.interactions.operations import MANY, gives, needs, operation, parameters_in, takes
from record.stored import Stored
from record.visible import visible_to
from services.pharmacy import (
    asking,
    cancelling,
    claiming,
    closing,
    dispensing,
    drafting,
    fhir,
    preparing,
    releasing,
    reviewing,
    signature,
    signing,
    store,
)
from services.pharmacy.signature import FetchKey

reads = APIRouter(route_class=ReadRoute)
commands = APIRouter(route_class=CommandRoute)

MayPrescribe = Annotated[Principal, Depends(allow(Role.PRACTITIONER))]
MayFill = Annotated[Principal, Depends(allow(Role.PHARMACIST))]
MayChoose = Annotated[Principal, Depends(allow(Role.PATIENT))]


async def _code_key(request: Request) -> bytes:
    return request.app.state.code_key  # type: ignore[no-any-return]


async def fetch_key(request: Request, room: TheRoom) -> FetchKey:
    """How a signing key is fetched, in the name of whoever asks."""
    return signature.from_identity(room.settings, request.headers["authorization"])


TheCodeKey = Annotated[bytes, Depends(_code_key)]
ThePublicKeys = Annotated[FetchKey, Depends(fetch_key)]


async def _draft(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    return await drafting.draft(tx, resource, body, id=id, by=by, now=room.clock.now())


async def _redraft(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    room: Room,
) -> Stored:
    return await drafting.redraft(tx, resource, body, id=id, expected=expected, by=by, now=room.clock.now())


async def _discard(tx: Transaction, *, id: str, expected: int | None, by: Principal, room: Room) -> Stored:
    return await drafting.discard(tx, id, expected=expected, by=by, now=room.clock.now())


STEPS = NotOffered("the operations of Task: $review, $choose-pharmacy, $claim, $dispense, $close, $cancel")
BY_DISPENSE = NotOffered("Task/[id]/$dispense")

CREATES: Mapping[str, Create] = {"MedicationRequest": _draft, "Task": STEPS, "MedicationDispense": BY_DISPENSE}
UPDATES: Mapping[str, Update] = {"MedicationRequest": _redraft, "Task": STEPS, "MedicationDispense": BY_DISPENSE}
DELETES: Mapping[str, Delete] = {"MedicationRequest": _discard, "Task": STEPS, "MedicationDispense": BY_DISPENSE}


@commands.post(
    "/fhir/MedicationRequest/$prepare",
    openapi_extra=operation(
        needs("group", "string"),
        gives("base64Binary", "document"),
        gives("string", "digest"),
        gives("instant", "authored"),
    ),
)
async def prepare(request: Request, by: MayPrescribe, tx: InTransaction, room: TheRoom) -> Response:
    """The exact bytes the doctor is to sign."""
    given = parameters_in(request, await request.body())
    prepared = await preparing.prepare(tx, asking.text(given, "group"), by=by, ids=room.ids, now=room.clock.now())
    await _did(request, by, "$prepare", "MedicationRequest", patient=prepared.patient)
    document = {"name": "document", "valueBase64Binary": prepared.document}
    digest = {"name": "digest", "valueString": prepared.digest}
    return _parameters(document, digest, {"name": "authored", "valueInstant": fhir.written(prepared.authored_at)})


@commands.post(
    "/fhir/MedicationRequest/$sign",
    openapi_extra=operation(needs("group", "string"), needs("signature", "string"), gives("Bundle")),
)
async def sign(request: Request, by: MayPrescribe, tx: InTransaction, room: TheRoom, keys: ThePublicKeys) -> Response:
    """The prescription becomes valid and goes to review."""
    given = parameters_in(request, await request.body())
    group, jws = asking.text(given, "group"), asking.text(given, "signature")
    signed = await signing.sign(tx, group, jws, by=by, fetch=keys, ids=room.ids, now=room.clock.now())
    everything = [signed.task, *signed.lines, signed.provenance]
    for one in everything:
        await _did(request, by, "$sign", one.type, entity=one.reference, version=one.version, patient=one.patient)
    return answer(bundle(everything, type="collection", base=base_of(request)), status=201)


@reads.get("/pharmacy/prescriptions/{id:fhirid}/document")
async def document(id: str, request: Request, by: Anyone, tx: InTransaction) -> Response:
    """The bytes that were signed."""
    task = await read.read(tx, "Task", id, visible=visible_to(by))
    order = await store.order(tx, task.id)
    body = await store.document(tx, order.prescription)
    entry = AuditEntry.by(
        by, "R", "document", "Task", entity=task.reference, patient=task.patient, request=request_id(request)
    )
    await saw(request, [entry])
    return Response(body, media_type=FHIR_JSON)


@commands.post(
    "/fhir/Task/{id:fhirid}/$review",
    openapi_extra=operation(needs("decision", "code"), takes("reason", "string"), gives("Task")),
)
async def review(id: str, request: Request, by: MayFill, tx: InTransaction, room: TheRoom) -> Response:
    """The hospital's pharmacist approves or returns the prescription."""
    given = parameters_in(request, await request.body())
    decision, reason = asking.text(given, "decision"), asking.words(given, "reason")
    now = room.clock.now()
    task = await reviewing.review(tx, id, decision=decision, reason=reason, by=by, ids=room.ids, now=now)
    return await _stepped(request, by, "$review", task)


@commands.post(
    "/fhir/Task/{id:fhirid}/$choose-pharmacy",
    openapi_extra=operation(
        needs("pharmacy", "Reference(Organization)"), gives("Task", "task"), gives("string", "code")
    ),
)
async def choose_pharmacy(
    id: str, request: Request, by: MayChoose, tx: InTransaction, room: TheRoom, key: TheCodeKey
) -> Response:
    """The patient chooses who fills the order, and is given the pick-up code."""
    pharmacy = asking.reference(parameters_in(request, await request.body()), "pharmacy", "Organization")
    now = room.clock.now()
    task, code = await releasing.choose_pharmacy(tx, id, pharmacy=pharmacy, by=by, key=key, ids=room.ids, now=now)
    await _stepped(request, by, "$choose-pharmacy", task)
    return _parameters({"name": "task", "resource": msgspec.Raw(task.body)}, {"name": "code", "valueString": code})


@reads.api_route(
    "/fhir/Task/{id:fhirid}/$pickup-code",
    methods=["GET", "HEAD", "POST"],
    openapi_extra=operation(gives("string", "code")),
)
async def pickup_code(id: str, request: Request, by: MayChoose, tx: InTransaction, key: TheCodeKey) -> Response:
    """The present pick-up code, for the patient alone."""
    code = await releasing.pickup_code(tx, id, by=by, key=key)
    entry = AuditEntry.by(
        by, "R", "$pickup-code", "Task", entity=f"Task/{id}", patient=by.patient, request=request_id(request)
    )
    await saw(request, [entry])
    return _parameters({"name": "code", "valueString": code})


@commands.post(
    "/fhir/Task/{id:fhirid}/$claim",
    openapi_extra=operation(needs("code", "string"), gives("string", "secret")),
)
async def claim(id: str, request: Request, by: MayFill, tx: InTransaction, room: TheRoom, key: TheCodeKey) -> Response:
    """The chosen pharmacy takes the order, or recovers the secret of its claim."""
    code = asking.text(parameters_in(request, await request.body()), "code")
    claimed = await claiming.claim(tx, id, code=code, by=by, key=key, now=room.clock.now())
    await _did(request, by, "$claim", "Task", entity=f"Task/{id}", patient=claimed.patient)
    return _parameters({"name": "secret", "valueString": claimed.secret})


@commands.post(
    "/fhir/Task/{id:fhirid}/$dispense",
    openapi_extra=operation(
        needs("secret", "string"),
        needs("item", "", needs("request", "Reference(MedicationRequest)"), needs("quantity", "Quantity"), max=MANY),
        gives("Bundle"),
    ),
)
async def dispense(
    id: str, request: Request, by: MayFill, tx: InTransaction, room: TheRoom, key: TheCodeKey
) -> Response:
    """The pharmacy hands medicines over."""
    body = await request.body()
    secret = asking.text(parameters_in(request, body), "secret")
    items = asking.items(fhir.decode(body))
    now = room.clock.now()
    handed = await dispensing.dispense(tx, id, items, secret=secret, by=by, key=key, ids=room.ids, now=now)
    for one in handed:
        await _did(request, by, "$dispense", one.type, entity=one.reference, version=1, patient=one.patient)
    return answer(bundle(handed, type="collection", base=base_of(request)), status=201)


@commands.post("/fhir/Task/{id:fhirid}/$close", openapi_extra=operation(needs("secret", "string"), gives("Task")))
async def close(id: str, request: Request, by: MayFill, tx: InTransaction, room: TheRoom, key: TheCodeKey) -> Response:
    """The pharmacy is done with the order."""
    secret = asking.text(parameters_in(request, await request.body()), "secret")
    task = await closing.close(tx, id, secret=secret, by=by, key=key, now=room.clock.now())
    return await _stepped(request, by, "$close", task)


@commands.post("/fhir/Task/{id:fhirid}/$cancel", openapi_extra=operation(takes("reason", "string"), gives("Task")))
async def cancel(id: str, request: Request, by: MayPrescribe, tx: InTransaction, room: TheRoom) -> Response:
    """The doctor withdraws the prescription."""
    reason = asking.words(parameters_in(request, await request.body()), "reason")
    task = await cancelling.cancel(tx, id, reason=reason, by=by, now=room.clock.now())
    return await _stepped(request, by, "$cancel", task)


async def _stepped(request: Request, by: Principal, operation: str, task: Stored) -> Response:
    """The Task after a step, recorded."""
    marks = {"entity": task.reference, "version": task.version, "patient": task.patient}
    await _did(request, by, operation, "Task", **marks)
    return shown(task)


async def _did(request: Request, by: Principal, operation: str, type: str, **marks: Any) -> None:
    await did(request, AuditEntry.by(by, "E", operation, type, request=request_id(request), **marks))


def _parameters(*parameters: Mapping[str, Any]) -> Response:
    """An answer for one pair of eyes: no cache keeps it."""
    response = answer(fhir.encode({"resourceType": "Parameters", "parameter": parameters}))
    response.headers["Cache-Control"] = "no-store"
    return response
