"""Documents of earlier visits: patients bring them along, doctors rest their judgement on them (TELE-01)."""

from datetime import datetime
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from record import read, write
from record.compartment import patient_of
from record.permission import permit
from record.search.searching import search
from record.stored import Stored
from record.visible import Everything, visible_to
from services.patients import attachment, fhir, policy
from services.patients.failures import (
    AttachmentUnusable,
    DocumentInUse,
    DocumentNotYours,
    DocumentStands,
    UploadUnusable,
)
from services.patients.terminology import diagnoses

CHANGEABLE = frozenset({"status", "docStatus", "description", "resourceType", "id", "meta"})


async def enter(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, now: datetime
) -> Stored:
    """Keep a document. Raises NotYours, AttachmentUnusable, UploadUnusable."""
    await permit(tx, patient_of(resource) or "", visible=visible_to(by))
    attached = fhir.attachments_in(resource)
    if not attached or not all(attachment.is_usable(one) for one in attached):
        raise AttachmentUnusable(expression="DocumentReference.content.attachment")
    if by.role is Role.PATIENT:
        _check_upload(resource, by=by)
    kept = (
        fhir.with_absent(body, author=[{"reference": by.fhir_user}], date=fhir.instant(now)) if by.fhir_user else body
    )
    return await write.create(tx, kept, id=id, now=now)


async def change(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    by: Principal,
    now: datetime,
) -> Stored:
    """Say what became of a document; what it says stays. Raises DocumentStands, DocumentNotYours."""
    current = (await read.read(tx, "DocumentReference", id, visible=visible_to(by))).resource
    _check_own(current, by=by)
    names = (current.keys() | resource.keys()) - CHANGEABLE
    changed = sorted(name for name in names if current.get(name) != resource.get(name))
    if changed:
        raise DocumentStands(expression=f"DocumentReference.{changed[0]}")
    return await write.update(tx, body, id=id, now=now, expected=expected)


async def remove(tx: Transaction, *, id: str, expected: int | None, by: Principal, now: datetime) -> Stored:
    """Take an own document back while no booking has it; its versions stay. Raises DocumentInUse, DocumentNotYours."""
    document = await read.read(tx, "DocumentReference", id, visible=visible_to(by))
    _check_own(document.resource, by=by)
    if await _is_booked_with(tx, document, now=now):
        raise DocumentInUse
    return await write.delete(tx, "DocumentReference", id, now=now, expected=expected)


def _check_upload(resource: dict[str, Any], *, by: Principal) -> None:
    codes = fhir.events_in(resource)
    checks = {
        "status": resource["status"] == "current",
        "category": fhir.is_prior_record(resource),
        "author": set(fhir.authors_in(resource)) <= {by.fhir_user},
        "authenticator": "authenticator" not in resource,
        "custodian": "custodian" not in resource,
        "context.event": bool(codes) and all(code in diagnoses.load() for code in codes),
    }
    wrong = next((element for element, fits in checks.items() if not fits), "")
    if wrong:
        raise UploadUnusable(policy.cited("TELE-01"), expression=f"DocumentReference.{wrong}")


def _check_own(document: dict[str, Any], *, by: Principal) -> None:
    """Patients, like doctors, answer for what they entered themselves."""
    if by.role is not Role.SYSTEM and by.fhir_user not in fhir.authors_in(document):
        raise DocumentNotYours


async def _is_booked_with(tx: Transaction, document: Stored, *, now: datetime) -> bool:
    page, query = None, [("patient", f"Patient/{document.patient}"), ("_count", "200")]
    while page is None or page.next:
        after = page.next if page else None
        page = await search(tx, "Appointment", query, visible=Everything(), now=now, after=after)
        if any(document.reference in fhir.documents_in(one.resource) for one in page.entries):
            return True
    return False
