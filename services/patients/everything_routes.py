"""`Patient/{id}/$everything`: all that is known of one patient (https://hl7.org/fhir/R4/patient-operation-everything.html)."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from kernel.auth.principal import Principal, Role
from kernel.http import ReadRoute, allow
from record import answers, bundle
from record.audit import AuditEntry
from record.cursor import Sought
from record.edge import base_of, cursors, request_id, saw
from record.everything import Part, Reached, everything, wanted
from record.negotiation import accepts_json
from record.operations import gives, operation, parameters_in, takes
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
REACHED = "reached"


@reads.api_route(PLACE, methods=["GET", "POST"], openapi_extra=MARKS)
async def of_one(request: Request, by: MayRecall) -> Response:
    """A page of what is known of this patient, and the entries of the directory it points at."""
    return await _answer(request, request.path_params["id"], by)


@reads.api_route("/fhir/Patient/$everything", methods=["GET", "POST"], openapi_extra=MARKS)
async def of_oneself(request: Request, by: MayRecall) -> Response:
    """The same for the patient who asks. Raises PatientNotNamed."""
    if by.patient is None:
        raise PatientNotNamed
    return await _answer(request, by.patient, by)


async def _answer(request: Request, patient: str, by: Principal) -> Response:
    accepts_json(request)
    place = f"Patient/{patient}/$everything"
    sought = await _sought(request, place, by)
    asked: dict[str, list[str]] = {}
    for name, value in sought.query:
        asked.setdefault(name, []).append(value)
    reached = asked.pop(REACHED, None)
    part = await everything(
        request.state.tx,
        patient,
        wanted(asked, by.role),
        visible=visible_to(by),
        after=Reached.read(reached[0]) if reached else None,
    )
    await saw(request, [_entry(request, place, by, patient, sought)])
    links = _links(request, place, by, sought, part)
    return answers.fhir(bundle.searchset(part.own, part.along, base=base_of(request), links=links))


async def _sought(request: Request, place: str, by: Principal) -> Sought:
    """The parameters in the request itself, or those a page link holds."""
    pairs = request.query_params.multi_items()
    if request.method == "GET" and len(pairs) == 1 and pairs[0][0] == "_page":
        return cursors(request).open(pairs[0][1], place=place, account=by.account)
    given = parameters_in(request, await request.body())
    values = ((name, value) for name, one in given.items() for value in (one if isinstance(one, list) else [one]))
    return Sought(tuple((name, str(value)) for name, value in values), None)


def _entry(request: Request, place: str, by: Principal, patient: str, sought: Sought) -> AuditEntry:
    digest = cursors(request).digest(place, [pair for pair in sought.query if pair[0] != REACHED])
    named = f"Patient/{patient}"
    return AuditEntry.by(
        by, "E", "$everything", "Patient", entity=named, patient=patient, request=request_id(request), query=digest
    )


def _links(request: Request, place: str, by: Principal, sought: Sought, part: Part) -> dict[str, str]:
    def link(to: Sought) -> str:
        sealed = cursors(request).seal(to, place=place, account=by.account)
        return f"{base_of(request)}/{place}?_page={quote(sealed)}"

    links = {"self": link(sought)}
    if part.next:
        asked = [pair for pair in sought.query if pair[0] != REACHED]
        links["next"] = link(Sought((*asked, (REACHED, str(part.next))), None))
    return links
