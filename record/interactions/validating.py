"""`$validate`: what the record would say to a resource, without keeping it.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from collections.abc import Iterator
from dataclasses import replace

import orjson
from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.failures import Failure
from record.audit import AuditEntry
from record.audit_events import read_event
from record.failures import IdMismatch, ProfileNotOffered, ResourceDeleted, ResourceMissing, ResourceUnknown
from record.interactions.answers import fhir
from record.interactions.bundle import outcome
from record.interactions.edge import request_id, saw
from record.interactions.interaction import query_of
from record.interactions.negotiation import accepts_json, sends_json
from record.interactions.operations import gives, operation, takes
from record.interactions.validation_request import Asked, read_request
from record.ownership import KEPT_APART, types
from record.read import read
from record.stored import Stored
from record.validation.checking import faults_of
from record.validation.pointing import missing
from record.visible import visible_to

VALIDATE = operation(
    takes("resource", "Resource"),
    takes("mode", "code"),
    takes("profile", "uri"),
    gives("OperationOutcome"),
    defined="http://hl7.org/fhir/OperationDefinition/Resource-validate",
)
PROFILES = "http://hl7.org/fhir/StructureDefinition/"
ALL_OK = outcome("information", "informational", "All OK")["issue"]


async def answer_validate(request: Request, type_: str, id_: str | None, by: Principal) -> Response:
    """Everything that speaks against a resource, or that all is well.

    Raises UnsupportedMedia, ResourceMissing, what `read_request` raises, and of the resource in an address with
    nothing beside it ResourceUnknown, ResourceDeleted.
    """
    accepts_json(request)
    body = await request.body()
    if body:
        sends_json(request.headers.get("content-type", ""))
    tx: Transaction = request.state.tx
    asked = read_request(type_, id_, body, dict(query_of(request)))
    standing = await _standing(tx, asked, by)
    if asked.is_empty and standing and asked.mode != "delete":
        asked = replace(asked, resource=orjson.loads(standing.body))
    await saw(request, [_entry(request, asked, standing, by)])
    issues = [issue for fault in _faults(asked, standing) for issue in fault.issues()]
    if asked.resource:
        issues += await missing(tx, asked.resource, visible=visible_to(by))
    return fhir({"resourceType": "OperationOutcome", "issue": issues or ALL_OK})


async def _standing(tx: Transaction, asked: Asked, by: Principal) -> Stored | None:
    """The resource in the address, as far as the caller may see it; it must be there if it is all there is to judge."""
    if asked.id is None:
        if asked.is_empty:
            raise ResourceMissing
        return None
    try:
        if by.role not in types()[asked.type].readers:
            raise ResourceUnknown
        if asked.type in KEPT_APART:
            return await read_event(tx, asked.id, visible=visible_to(by))
        return await read(tx, asked.type, asked.id, visible=visible_to(by))
    except (ResourceUnknown, ResourceDeleted):
        if asked.is_empty:
            raise
        return None


def _entry(request: Request, asked: Asked, standing: Stored | None, by: Principal) -> AuditEntry:
    """A look at the resource in the address, or at none."""
    return AuditEntry.by(
        *(by, "E", "$validate", asked.type),
        entity=standing.reference if standing else "",
        version=standing.version if standing else None,
        patient=standing.patient if standing else by.patient,
        request=request_id(request),
    )


def _faults(asked: Asked, standing: Stored | None) -> Iterator[Failure]:
    """What keeps the resource from being read, its profile and address, then what is wrong with itself."""
    yield from asked.faults
    if asked.profile not in {None, PROFILES + asked.type}:
        yield ProfileNotOffered(expression=asked.type)
    if asked.id and standing is None and asked.mode != "create":
        yield ResourceUnknown(expression=f"{asked.type}.id")
    resource = asked.resource
    if resource is None:
        return
    if resource.get("resourceType") != asked.type:
        yield IdMismatch(f"The resource must be a {asked.type}.", expression=asked.type)
        return
    yield from faults_of(resource, brief=asked.large)
    if _misnamed(asked, resource.get("id")):
        yield IdMismatch("An update names the resource's id.", expression=f"{asked.type}.id")


def _misnamed(asked: Asked, named: object) -> bool:
    """Whether an update would miss: it names its resource, and the one in the address where there is one."""
    if asked.mode == "create":
        return False
    if named is None:
        return asked.mode == "update"
    return asked.id is not None and named != asked.id
