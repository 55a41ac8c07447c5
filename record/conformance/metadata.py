"""What a room says of itself to everybody: its CapabilityStatement and its OperationDefinitions."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from record.conformance.capability import UNLISTED, capability_of, statement
from record.conformance.operation_definitions import operation_definitions
from record.interactions.answers import fhir
from record.interactions.bundle import bundle
from record.interactions.edge import base_of, room_of


def metadata_routes() -> APIRouter:
    """The open routes from which the gateway puts together what the whole house serves."""
    router = APIRouter()

    # rule: guarded-routes because what a server can do is said to everybody (https://hl7.org/fhir/R4/http.html#capabilities)
    @router.api_route("/fhir/metadata", methods=["GET", "HEAD"], openapi_extra={UNLISTED: True})
    async def metadata(request: Request) -> Response:
        """What this room really serves."""
        room = room_of(request)
        mine = capability_of(room.name, request.app.routes)
        return fhir(statement([mine], base=base_of(request), issuer=room.settings.issuer, now=room.clock.now()))

    # rule: guarded-routes because what a server can do is said to everybody
    @router.api_route("/fhir/OperationDefinition", methods=["GET", "HEAD"], openapi_extra={UNLISTED: True})
    async def operations(request: Request) -> Response:
        """The operations this room really serves."""
        found = operation_definitions(request.app.routes)
        return fhir(bundle(found, type="searchset", base=base_of(request), total=len(found)))

    return router
