"""What everybody may read before signing in: what the house serves, and how it is searched and operated.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.convertors import register_url_convertor

from gateway.published import Published
from kernel.http import FHIR_JSON, SERVED, json
from record.conformance import published as conformance
from record.conformance.capability import UNLISTED
from record.conformance.search_parameters import search_parameters
from record.interactions.edge import Name, base_of
from record.interactions.interaction import query_of
from record.interactions.negotiation import accepts_json

router = APIRouter()
register_url_convertor("published", type("Published", (Name,), {"regex": "|".join(conformance.PARAMETERS)})())
PUBLISHED = {SERVED: list(conformance.PARAMETERS)}


# rule: guarded-routes because FHIR publishes it to all
@router.api_route("/fhir/metadata", methods=["GET", "HEAD"], openapi_extra={UNLISTED: True})
async def metadata(request: Request) -> Response:
    """The CapabilityStatement, put together from what each running room says it serves."""
    accepts_json(request)
    return json(await _published(request).statement(), media_type=FHIR_JSON)


# rule: guarded-routes because it says no more than the CapabilityStatement
@router.api_route("/fhir/openapi.json", methods=["GET", "HEAD"], openapi_extra={UNLISTED: True})
async def openapi(request: Request) -> Response:
    """The same as an OpenAPI 3.1 document, with HL7's schemas."""
    return Response(await _published(request).openapi(), media_type="application/json")


# rule: guarded-routes because how the house is searched and operated is published to all
@router.api_route("/fhir/{type:published}", methods=["GET", "HEAD"], openapi_extra=PUBLISHED)
async def search(request: Request) -> Response:
    """SearchParameter or OperationDefinition, found by address, name or code."""
    accepts_json(request)
    type_ = request.path_params["type"]
    found = conformance.search(await _all(request, type_), type_, query_of(request), base=base_of(request))
    return json(found, media_type=FHIR_JSON)


# rule: guarded-routes because how the house is searched and operated is published to all
@router.api_route("/fhir/{type:published}/{id:fhirid}", methods=["GET", "HEAD"], openapi_extra=PUBLISHED)
async def read(request: Request) -> Response:
    """One SearchParameter or OperationDefinition."""
    accepts_json(request)
    listed = await _all(request, request.path_params["type"])
    return json(conformance.read(listed, request.path_params["id"]), media_type=FHIR_JSON)


async def _all(request: Request, type_: str) -> Sequence[Mapping[str, Any]]:
    if type_ == "SearchParameter":
        return search_parameters()
    return (await _published(request).house()).operations


def _published(request: Request) -> Published:
    return request.app.state.published  # type: ignore[no-any-return]
