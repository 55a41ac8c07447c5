"""A doctor drafts the lines of a prescription during the visit, in person (TELE-08)."""

from datetime import datetime
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from record import read, write
from record.failures import ResourceDeleted, ResourceUnknown
from record.stored import Stored
from record.visible import visible_to
from services.pharmacy import fhir, store
from services.pharmacy.failures import DraftSigned, DraftUnfit, NotTreating, SessionNotLive, VisitsMixed
from services.pharmacy.policy import PACK
from services.pharmacy.prescription import Visit


async def draft(
    tx: Transaction, request: dict[str, Any], body: bytes, *, id: str, by: Principal, now: datetime
) -> Stored:
    """Enter a draft line. Raises NotTreating, SessionNotLive, DraftUnfit, VisitsMixed, GroupTaken, OrderElsewhere."""
    await _fit(tx, request, by=by)
    return await write.create(tx, body, id=id, now=now)


async def redraft(
    tx: Transaction,
    request: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    now: datetime,
) -> Stored:
    """Replace a draft line. Raises DraftSigned and what `draft` raises."""
    await _still_draft(tx, id, by=by)
    await _fit(tx, request, by=by)
    return await write.update(tx, body, id=id, now=now, expected=expected)


async def discard(tx: Transaction, id: str, *, expected: int | None, by: Principal, now: datetime) -> Stored:
    """Take a draft line away. Raises DraftSigned, NotTreating."""
    await _still_draft(tx, id, by=by)
    return await write.delete(tx, "MedicationRequest", id, now=now, expected=expected)


async def _still_draft(tx: Transaction, id: str, *, by: Principal) -> None:
    standing = await read.read(tx, "MedicationRequest", id, visible=visible_to(by))
    await write.lock(tx, "MedicationRequest", id, expected=standing.version)
    request = standing.resource
    if fhir.referred(request.get("requester"), "Practitioner") != by.fhir_user:
        raise NotTreating
    if request["status"] != "draft":
        raise DraftSigned


async def _fit(tx: Transaction, request: dict[str, Any], *, by: Principal) -> None:
    """Refuse a line that is not this doctor's own draft for a visit under way or a prescription that came back."""
    if by.role is not Role.PRACTITIONER or fhir.referred(request.get("requester"), "Practitioner") != by.fhir_user:
        raise NotTreating
    group, named = fhir.group_of(request), fhir.referred(request.get("encounter"), "Encounter")
    if request["status"] != "draft" or request["intent"] != "order" or not group or not named:
        raise DraftUnfit
    if not fhir.referred(request.get("medicationReference"), "Medication"):
        raise DraftUnfit(expression="MedicationRequest.medication")
    visit = await _visit(tx, named, by=by)
    if by.fhir_user not in visit.practitioners:
        raise NotTreating
    if fhir.referred(request.get("subject"), "Patient") != f"Patient/{visit.patient}":
        raise VisitsMixed
    standing = await store.order_of_group(tx, group)
    if standing is not None:
        standing.correctable(by=by.fhir_user, encounter=named)
    elif visit.status not in PACK["TELE-08"]["live"]:
        raise SessionNotLive(f"{named} is {visit.status}.")


async def _visit(tx: Transaction, encounter: str, *, by: Principal) -> Visit:
    try:
        found = await read.read(tx, "Encounter", fhir.id_of(encounter), visible=visible_to(by))
    except (ResourceUnknown, ResourceDeleted) as unknown:
        raise DraftUnfit(expression="MedicationRequest.encounter") from unknown
    return fhir.visit(found.resource)
