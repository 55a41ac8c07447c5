"""Patient and doctor write to one another during their visit. What was written stays (EMR-01)."""

from datetime import datetime
from typing import Any

from kernel.auth.principal import Principal
from kernel.database import Transaction
from record import write
from record.failures import ResourceDeleted, ResourceUnknown
from record.stored import Stored
from services.consult import fhir, policy, visiting
from services.consult.encounter import OPEN
from services.consult.failures import ChatClosed, MessageUnusable, NotInThisVisit, NotItsSender

TAKEN = frozenset(
    {
        *("resourceType", "meta", "status", "category", "subject", "encounter", "sender", "sent", "payload"),
        *("recipient", "language", "inResponseTo"),
    }
)
"""Elements a message may have; more would say things nobody in the visit wrote."""


async def send(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, now: datetime
) -> Stored:
    """Keep a message and tell the other side. Raises NotItsSender, ChatClosed, MessageUnusable."""
    encounter = await _encounter(tx, resource, by=by)
    if resource.get("sender", {}).get("reference") != by.fhir_user:
        raise NotItsSender(expression="Communication.sender")
    if fhir.status_in(encounter.resource) not in OPEN:
        raise ChatClosed
    if wrong := _unusable(resource, encounter, now=now):
        raise MessageUnusable(expression=f"Communication.{wrong}")
    kept = body if "sent" in resource else fhir.with_sent(body, now)
    message = await write.create(tx, kept, id=id, now=now)
    for person in (fhir.patient_in(encounter.resource), fhir.practitioner_in(encounter.resource)):
        tx.announce(f"live:{person}", message.reference)
    return message


async def _encounter(tx: Transaction, resource: dict[str, Any], *, by: Principal) -> Stored:
    id_ = str(resource.get("encounter", {}).get("reference", "")).removeprefix("Encounter/")
    try:
        encounter, _ = await visiting.seen(tx, id_, by=by)
    except (ResourceUnknown, ResourceDeleted, NotInThisVisit):
        raise NotItsSender(expression="Communication.encounter") from None
    return encounter


def _unusable(resource: dict[str, Any], encounter: Stored, *, now: datetime) -> str:
    """The first element that does not fit, or nothing."""
    allowed = {f"Patient/{encounter.patient}", fhir.practitioner_in(encounter.resource)}
    recipients = [one.get("reference") for one in resource.get("recipient", [])]
    checks = {
        "status": resource.get("status") == "completed",
        "category": fhir.is_chat(resource),
        "subject": resource.get("subject", {}).get("reference") == f"Patient/{encounter.patient}",
        "recipient": all(one in allowed for one in recipients),
        "sent": "sent" not in resource or _is_about(resource["sent"], now),
        "payload": _is_text(resource.get("payload", [])),
    }
    others = sorted(resource.keys() - TAKEN - {"id"})
    return next((name for name, fits in checks.items() if not fits), others[0] if others else "")


def _is_about(sent: str, now: datetime) -> bool:
    """Whether a FHIR dateTime names this moment; a whole day or year does not."""
    try:
        return abs(datetime.fromisoformat(sent) - now) <= policy.CLOCK_SKEW
    except (ValueError, TypeError):
        return False


def _is_text(payload: list[dict[str, Any]]) -> bool:
    if len(payload) != 1 or payload[0].keys() != {"contentString"}:
        return False
    text = payload[0]["contentString"]
    return bool(text.strip()) and len(text) <= policy.LONGEST_MESSAGE
