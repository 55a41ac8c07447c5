"""The patients room's doors: who the patients are and what is known of them, over FHIR."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.http import Anyone, ReadRoute
from kernel.service import Room, TheRoom
from record.interactions import answers
from record.interactions.cases import NotOffered
from record.interactions.negotiation import accepts_json
from record.interactions.operations import gives, operation, parameters_in, takes
from record.rest import fhir_routes
from record.stored import Stored
from services.patients import diagnosing, documenting, fhir, policy, registering
from services.patients.failures import ExpansionUnreadable
from services.patients.terminology import diagnoses

reads = APIRouter(route_class=ReadRoute)

IDENTITY_KEY = "identity-number-key"
"""Secret that keys the hashes of identifiers."""
USUAL_COUNT = 20
LARGEST_COUNT = 200
LONGEST_FILTER = 200


def fhir_routers() -> list[APIRouter]:
    """The plain FHIR interactions on every type of the room."""
    stay = NotOffered(f"active = false: a patient's record is kept. {policy.cited('EMR-01')}")
    return fhir_routes(
        "patients",
        creates={"Patient": _register, "Condition": _diagnose, "DocumentReference": _enter_document},
        updates={"Patient": _change_patient, "Condition": _change_condition, "DocumentReference": _change_document},
        deletes={"Patient": stay, "Condition": _remove_condition, "DocumentReference": _remove_document},
        enterable=("Patient", "Condition", "DocumentReference"),
    )


@reads.api_route(
    "/fhir/ValueSet/icd-10/$expand",
    methods=["GET", "HEAD", "POST"],
    openapi_extra=operation(
        takes("filter", "string"),
        takes("count", "integer"),
        gives("ValueSet"),
        defined="http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
    ),
)
async def expand(request: Request, by: Anyone, room: TheRoom) -> Response:
    """Diagnoses by code or name (https://hl7.org/fhir/R4/valueset-operation-expand.html)."""
    accepts_json(request)
    asked = parameters_in(request, await request.body())
    text, count = asked.get("filter", ""), str(asked.get("count", USUAL_COUNT))
    readable = isinstance(text, str) and len(text) <= LONGEST_FILTER
    if not readable or not (count.isascii() and count.isdigit() and len(count) <= 6):
        raise ExpansionUnreadable
    everything = diagnoses.load()
    found = diagnoses.find(text, limit=len(everything)) if text.strip() else list(everything.values())
    shown = found[: min(int(count), LARGEST_COUNT)]
    expansion = fhir.expansion(shown, total=len(found), identifier=room.ids.new(), at=room.clock.now())
    return answers.fhir(expansion)


async def _register(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    key = room.settings.secret(IDENTITY_KEY)
    return await registering.register(tx, resource, body, id=id, key=key, by=by, now=room.clock.now())


async def _change_patient(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, expected: int | None, by: Principal, room: Room
) -> Stored:
    key, now = room.settings.secret(IDENTITY_KEY), room.clock.now()
    return await registering.change(tx, resource, body, id=id, expected=expected, key=key, by=by, now=now)


async def _diagnose(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    return await diagnosing.diagnose(tx, resource, body, id=id, by=by, now=room.clock.now())


async def _change_condition(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, expected: int | None, by: Principal, room: Room
) -> Stored:
    return await diagnosing.change(tx, resource, body, id=id, expected=expected, by=by, now=room.clock.now())


async def _remove_condition(tx: Transaction, *, id: str, expected: int | None, by: Principal, room: Room) -> Stored:
    return await diagnosing.remove(tx, id=id, expected=expected, by=by, now=room.clock.now())


async def _enter_document(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
) -> Stored:
    return await documenting.enter(tx, resource, body, id=id, by=by, now=room.clock.now())


async def _change_document(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, expected: int | None, by: Principal, room: Room
) -> Stored:
    return await documenting.change(tx, resource, body, id=id, expected=expected, by=by, now=room.clock.now())


async def _remove_document(tx: Transaction, *, id: str, expected: int | None, by: Principal, room: Room) -> Stored:
    return await documenting.remove(tx, id=id, expected=expected, by=by, now=room.clock.now())
