"""`Patient/{id}/$everything`: all that is known of one patient (https://hl7.org/fhir/R4/patient-operation-everything.html)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from kernel.auth.principal import Principal, Role
from kernel.http import ReadRoute, allow
from record.audit import AuditEntry
from record.interactions import answers, bundle
from record.interactions.edge import base_of, cursors, request_id, room_of, saw
from record.interactions.everything import Reached, everything, wanted
from record.interactions.negotiation import accepts_json
from record.interactions.operations import gives, operation, parameters_in, takes
from record.interactions.reading import link_to
from record.search.cursor import Sought
from record.settling import settled
from record.visible import visible_to
from services.patients.failures import PatientNotNamed

reads = APIRouter(route_class=ReadRoute)

MayRecall = Annotated[Principal, Depends(allow(Role.PATIENT, Role.PRACTITIONER, Role.SYSTEM))]
PLACE = "/fhir/Patient/{id:fhirid}/$everything"
MARKS = operation(
    takes("start", "date"),
    takes("end", "date"),
    takes("_since", "instant"),
    takes("_type", "code", max="*"),
    takes("_count", "integer"),
    gives("Bundle"),
    defined="http://hl7.org/fhir/OperationDefinition/Patient-everything",
)
REACHED, UNTIL = "_reached", "_until"
LEAFED = frozenset({REACHED, UNTIL})
"""What a page link holds besides the parameters: where the page begins, and up to when all pages are complete."""


@reads.api_route(PLACE, methods=["GET", "HEAD", "POST"], openapi_extra=MARKS)
async def of_one(request: Request, by: MayRecall) -> Response:
    """A page of what is known of this patient, and the entries of the directory it points at."""
    return await _answer(request, request.path_params["id"], by)


@reads.api_route("/fhir/Patient/$everything", methods=["GET", "HEAD", "POST"], openapi_extra=MARKS)
async def of_oneself(request: Request, by: MayRecall) -> Response:
    """The same for the patient who asks. Raises PatientNotNamed."""
    if by.patient is None:
        raise PatientNotNamed
    return await _answer(request, by.patient, by)


async def _answer(request: Request, patient: str, by: Principal) -> Response:
    accepts_json(request)
    place = f"Patient/{patient}/$everything"
    sought = await _sought(request, place, by)
    leafed = {name: value for name, value in sought.query if name in LEAFED}
    asked = tuple(pair for pair in sought.query if pair[0] not in leafed)
    tx, room = request.state.tx, room_of(request)
    until = (
        leafed.get(UNTIL) or (await settled(tx, now=room.clock.now(), tolerance=room.settings.tolerance)).isoformat()
    )
    after = Reached.read(leafed[REACHED]) if REACHED in leafed else None
    part = await everything(tx, patient, wanted(_gathered(asked), by.role), visible=visible_to(by), after=after)
    await saw(request, [_entry(request, place, by, patient, asked)])
    links = {"self": link_to(request, place, by, sought)}
    if part.next:
        following = (*asked, (UNTIL, until), (REACHED, str(part.next)))
        links["next"] = link_to(request, place, by, Sought(following, None))
    whole_until = datetime.fromisoformat(until)
    return answers.fhir(bundle.searchset(part.own, part.along, base=base_of(request), links=links, until=whole_until))


async def _sought(request: Request, place: str, by: Principal) -> Sought:
    """The parameters in the request itself, or those a page link holds."""
    pairs = request.query_params.multi_items()
    if request.method != "POST" and len(pairs) == 1 and pairs[0][0] == "_page":
        return cursors(request).open(pairs[0][1], place=place, account=by.account)
    given = parameters_in(request, await request.body())
    values = ((name, value) for name, one in given.items() for value in (one if isinstance(one, list) else [one]))
    return Sought(tuple((name, str(value)) for name, value in values), None)


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Each name's values."""
    asked: dict[str, list[str]] = {}
    for name, value in pairs:
        asked.setdefault(name, []).append(value)
    return asked


def _entry(request: Request, place: str, by: Principal, patient: str, asked: Sequence[tuple[str, str]]) -> AuditEntry:
    digest, named = cursors(request).digest(place, asked), f"Patient/{patient}"
    return AuditEntry.by(
        by, "E", "$everything", "Patient", entity=named, patient=patient, request=request_id(request), query=digest
    )
