"""The appointments room's doors: find, hold, book, cancel, and the queue."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from kernel.auth.principal import Principal, Role
from kernel.http import CommandRoute, InTransaction, OwnReadRoute, allow
from kernel.service import TheRoom
from record.audit import AuditEntry
from record.interactions.answers import fhir as answer
from record.interactions.answers import shown
from record.interactions.bundle import bundle
from record.interactions.cases import Create, Delete, NotOffered, Update
from record.interactions.edge import base_of, did, saw
from record.interactions.negotiation import expected_version
from record.interactions.operations import MANY, gives, needs, operation, parameters_in, takes
from record.stored import Stored
from services.appointments import asking_fhir, booking, fhir, finding, keeping, queueing
from services.appointments.wish import Wish

reads = APIRouter(route_class=OwnReadRoute)
commands = APIRouter(route_class=CommandRoute)

MayBook = Annotated[Principal, Depends(allow(Role.PATIENT, Role.PRACTITIONER, Role.SYSTEM))]
MayCall = Annotated[Principal, Depends(allow(Role.PRACTITIONER))]
MaySearch = Annotated[Principal, Depends(allow(*Role))]

CREATES: Mapping[str, Create] = {
    "Schedule": keeping.enter_schedule,
    "Slot": keeping.enter_slot,
    "Appointment": keeping.enter_appointment,
}
UPDATES: Mapping[str, Update] = {
    "Schedule": keeping.change_schedule,
    "Slot": keeping.change_slot,
    "Appointment": keeping.change_appointment,
}
ENTRIES: Mapping[str, Update] = {"Slot": keeping.show_booked}
"""Inside a transaction, in place of `UPDATES`."""
DELETES: Mapping[str, Delete] = {
    "Schedule": NotOffered("Schedule.active = false"),
    "Slot": keeping.remove_slot,
    "Appointment": NotOffered("Appointment/[id]/$cancel"),
}


FIND = operation(
    needs("start", "dateTime"),
    needs("end", "dateTime"),
    takes("practitioner", "Reference(Practitioner)", max=MANY),
    takes("organization", "Reference(Organization)", max=MANY),
    takes("service", "Reference(HealthcareService)", max=MANY),
    takes("location", "Reference(Location)", max=MANY),
    takes("specialty", "CodeableConcept", max=MANY),
    takes("district", "code", max=MANY),
    takes("visit-type", "code"),
    takes("_count", "integer"),
    gives("Bundle"),
)
FOR_WHOM = takes("patient-reference", "Reference(Patient)")


@reads.api_route("/fhir/Appointment/$find", methods=["GET", "HEAD"], openapi_extra=FIND)
async def find(request: Request, by: MaySearch, tx: InTransaction, room: TheRoom) -> Response:
    """Free times (IHE ITI-115)."""
    wish = asking_fhir.wish(parameters_in(request, b""))
    return await _found(request, wish, tx=tx, room=room)


@reads.post("/fhir/Appointment/$find", openapi_extra=FIND)
async def find_by_parameters(request: Request, by: MaySearch, tx: InTransaction, room: TheRoom) -> Response:
    """Free times, asked for with a Parameters resource (IHE ITI-115)."""
    wish = asking_fhir.wish(parameters_in(request, await request.body()))
    return await _found(request, wish, tx=tx, room=room)


async def _found(request: Request, wish: Wish, *, tx: InTransaction, room: TheRoom) -> Response:
    places = await finding.find(tx, wish, now=room.clock.now())
    entries = [fhir.proposal(place) for place in places]
    return answer(bundle(entries, type="searchset", base=base_of(request), total=len(entries)))


@commands.post(
    "/fhir/Appointment/$hold",
    openapi_extra=operation(needs("appointment-reference", "Reference(Appointment)"), FOR_WHOM, gives("Bundle")),
)
async def hold(request: Request, by: MayBook, tx: InTransaction, room: TheRoom) -> Response:
    """Keep a free time for a patient for some minutes (IHE ITI-116)."""
    given = parameters_in(request, await request.body())
    pending = await booking.hold(
        tx,
        asking_fhir.proposed_slot(given),
        patient=asking_fhir.patient(given, own=by.patient),
        by=by,
        ids=room.ids,
        now=room.clock.now(),
    )
    await did(request, _entry(by, "$hold", pending))
    return _one(request, pending, status=201)


@commands.post(
    "/fhir/Appointment/$book",
    openapi_extra=operation(
        takes("appointment-reference", "Reference(Appointment)"),
        takes("appointment-resource", "Appointment"),
        FOR_WHOM,
        takes("visit-type", "code"),
        takes("prior-diagnosis", "Reference(DocumentReference)"),
        takes("comment", "string"),
        gives("Bundle"),
    ),
)
async def book(request: Request, by: MayBook, tx: InTransaction, room: TheRoom) -> Response:
    """Book a time, or cancel a booked one (IHE ITI-117)."""
    given = parameters_in(request, await request.body())
    now = room.clock.now()
    if cancelled := asking_fhir.cancelled_appointment(given):
        id_, reason = cancelled
        changed = await booking.cancel(tx, id_, by=by, reason=reason, expected=None, ids=room.ids, now=now)
        await did(request, _entry(by, "$book", changed))
        return _one(request, changed, status=200)
    booked = await booking.book(tx, asking_fhir.booking_request(given, own=by.patient), by=by, ids=room.ids, now=now)
    await did(request, _entry(by, "$book", booked))
    return _one(request, booked, status=201)


@commands.post(
    "/fhir/Appointment/{id:fhirid}/$cancel",
    openapi_extra=operation(takes("reason", "string"), gives("Appointment")),
)
async def cancel(id: str, request: Request, by: MayBook, tx: InTransaction, room: TheRoom) -> Response:
    """Give a booked time back."""
    given = parameters_in(request, await request.body())
    cancelled = await booking.cancel(
        tx,
        id,
        by=by,
        reason=str(given["reason"]) if "reason" in given else None,
        expected=expected_version(request.headers.get("if-match")),
        ids=room.ids,
        now=room.clock.now(),
    )
    await did(request, _entry(by, "$cancel", cancelled))
    return shown(cancelled)


@commands.post("/fhir/Appointment/{id:fhirid}/$check-in", openapi_extra=operation(gives("Appointment")))
async def check_in(id: str, request: Request, by: MayBook, tx: InTransaction, room: TheRoom) -> Response:
    """The patient is here: a number in the queue."""
    here = await queueing.check_in(tx, id, by=by, now=room.clock.now())
    await did(request, _entry(by, "$check-in", here))
    return shown(here)


@reads.api_route(
    "/fhir/Appointment/{id:fhirid}/$queue-status",
    methods=["GET", "HEAD", "POST"],
    openapi_extra=operation(
        gives("positiveInt", "number"),
        gives("code", "state"),
        gives("unsignedInt", "ahead"),
    ),
)
async def queue_status(id: str, request: Request, by: MayBook, tx: InTransaction) -> Response:
    """The patient's number and how many wait before it."""
    ticket, ahead = await queueing.place_in_queue(tx, id, by=by)
    entry = AuditEntry.by(by, "R", "$queue-status", "Appointment", entity=f"Appointment/{id}", patient=ticket.patient)
    await saw(request, [entry])
    parameters = [
        {"name": "number", "valuePositiveInt": ticket.number},
        {"name": "state", "valueCode": ticket.state.value},
        {"name": "ahead", "valueUnsignedInt": ahead},
    ]
    return answer({"resourceType": "Parameters", "parameter": parameters})


@reads.api_route(
    "/fhir/Schedule/{id:fhirid}/$queue", methods=["GET", "HEAD", "POST"], openapi_extra=operation(gives("Bundle"))
)
async def queue(id: str, request: Request, by: MayCall, tx: InTransaction, room: TheRoom) -> Response:
    """Everyone of the queue who is not finished."""
    waiting = await queueing.queue_of(tx, id, by=by, now=room.clock.now())
    await saw(request, [_entry(by, "$queue", one, action="R") for one in waiting])
    return answer(bundle(waiting, type="searchset", base=base_of(request), total=len(waiting)))


@commands.post("/fhir/Schedule/{id:fhirid}/$call-next", openapi_extra=operation(gives("Bundle")))
async def call_next(id: str, request: Request, by: MayCall, tx: InTransaction, room: TheRoom) -> Response:
    """Call the next patient into the room."""
    called = await queueing.call_next(tx, id, by=by, ids=room.ids, now=room.clock.now())
    if called is None:
        return answer(bundle([], type="searchset", base=base_of(request), total=0))
    await did(request, _entry(by, "$call-next", called))
    return _one(request, called, status=200)


@commands.post("/fhir/Appointment/{id:fhirid}/$recall", openapi_extra=operation(gives("Appointment")))
async def recall(id: str, request: Request, by: MayCall, tx: InTransaction, room: TheRoom) -> Response:
    """Call the same patient once more."""
    called = await queueing.recall(tx, id, by=by)
    await did(request, _entry(by, "$recall", called))
    return shown(called)


@commands.post("/fhir/Appointment/{id:fhirid}/$skip", openapi_extra=operation(gives("Appointment")))
async def skip(id: str, request: Request, by: MayCall, tx: InTransaction, room: TheRoom) -> Response:
    """The patient has missed the turn."""
    skipped = await queueing.skip(tx, id, by=by, now=room.clock.now())
    await did(request, _entry(by, "$skip", skipped))
    return shown(skipped)


def _one(request: Request, stored: Stored, *, status: int) -> Response:
    """A Bundle with exactly one Appointment, as IHE asks."""
    return answer(bundle([stored], type="searchset", base=base_of(request), total=1), status=status)


def _entry(by: Principal, interaction: str, stored: Stored, *, action: str = "E") -> AuditEntry:
    return AuditEntry.by(
        by,
        action,
        interaction,
        stored.type,
        entity=stored.reference,
        version=stored.version,
        patient=stored.patient,
    )
