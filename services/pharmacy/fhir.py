"""Prescription lines and orders as FHIR R4, both ways.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/task.html,
https://hl7.org/fhir/R4/medicationdispense.html
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kernel.clock import local
from record.canonical import PRESCRIPTION, code_system, extension
from record.index import dates
from record.stored import Stored
from services.pharmacy.order import Fill, Order, State
from services.pharmacy.prescription import Line, Visit

ORDER_STATE = code_system("order-state")
TASK_CODE = code_system("task")
ORGANIZATION_KIND = code_system("organization-kind")
FOLLOW_UP = extension("follow-up")
LEGAL_CLASS = extension("medication-legal-class")
PHARMACY_KINDS = frozenset({"hospital-pharmacy", "retail-pharmacy"})
GROUP = re.compile(r"[A-Za-z0-9\-.]{1,64}")
LONG_TERM = "continuous"
DAYS = {"d": 1, "day": 1, "days": 1, "天": 1, "日": 1, "wk": 7, "week": 7, "weeks": 7, "周": 7}
UNFOUNDED = frozenset({"refuted", "entered-in-error"})
STATUS = {
    State.SUBMITTED: "requested",
    State.RETURNED: "on-hold",
    State.REVIEWED: "accepted",
    State.RELEASED: "ready",
    State.CLAIMED: "in-progress",
    State.DISPENSED: "in-progress",
    State.CLOSED: "completed",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "failed",
}
"""Task.status of each state; Task.businessStatus names the state itself."""

Resource = dict[str, Any]

encode = msgspec.json.Encoder(decimal_format="number").encode
"""JSON in which a Decimal stays the exact number it is."""


def decode(body: bytes) -> Resource:
    """A resource with its numbers exact."""
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)  # type: ignore[no-any-return]


def written(at: datetime) -> str:
    """An instant as the hospital's wall clock shows it."""
    return local(at).isoformat(timespec="seconds")


def referred(element: Any, type: str) -> str:
    """`Type/id` a reference points at, or empty text when it points elsewhere."""
    named = element.get("reference", "") if isinstance(element, dict) else ""
    return named if isinstance(named, str) and named.startswith(f"{type}/") and named.count("/") == 1 else ""


def id_of(reference: str) -> str:
    """The id in `Type/id`."""
    return reference.partition("/")[2]


def group_of(request: Mapping[str, Any]) -> str:
    """The prescription a line belongs to, or empty text."""
    group = request.get("groupIdentifier", {})
    value = str(group.get("value", ""))
    return value if group.get("system") == PRESCRIPTION and GROUP.fullmatch(value) else ""


def visit(encounter: Mapping[str, Any]) -> Visit:
    """What prescribing needs to know of an Encounter."""
    people = [referred(one.get("individual"), "Practitioner") for one in encounter.get("participant", ())]
    return Visit(
        encounter=f"Encounter/{encounter['id']}",
        patient=id_of(referred(encounter.get("subject"), "Patient")),
        status=encounter["status"],
        practitioners=tuple(person for person in people if person),
        is_follow_up=any(_judged(one) for one in encounter.get("extension", ()) if one.get("url") == FOLLOW_UP),
        provider=referred(encounter.get("serviceProvider"), "Organization"),
    )


def _judged(follow_up: Mapping[str, Any]) -> bool:
    return any(
        part.get("url") == "judgement" and part.get("valueBoolean") is True for part in follow_up.get("extension", ())
    )


def stands(condition: Mapping[str, Any], *, encounter: str) -> bool:
    """Whether a Condition is a diagnosis of this visit that nobody has taken back."""
    codes = {coding.get("code") for coding in condition.get("verificationStatus", {}).get("coding", ())}
    return referred(condition.get("encounter"), "Encounter") == encounter and not codes & UNFOUNDED


def line(draft: Stored, medications: Mapping[str, Mapping[str, Any]]) -> Line:
    """A MedicationRequest as the rules see it; `medications` are the active ones it may name, by reference."""
    request = decode(draft.body)
    named = referred(request.get("medicationReference"), "Medication")
    dosage = (request.get("dosageInstruction") or [{}])[0]
    dose = (dosage.get("doseAndRate") or [{}])[0].get("doseQuantity", {})
    supply = request.get("dispenseRequest", {})
    quantity = supply.get("quantity", {})
    ends = supply.get("validityPeriod", {}).get("end")
    return Line(
        id=draft.id,
        version=draft.version,
        medication=named if named in medications else "",
        legal_class=_legal_class(medications.get(named, {})),
        conditions=tuple(referred(one, "Condition") for one in request.get("reasonReference", ())),
        directions=tuple(_directions(request)),
        route=_said(dosage.get("route", {})),
        has_frequency=_is_timed(dosage.get("timing", {})),
        dose=dose.get("value"),
        dose_unit=dose.get("unit") or dose.get("code") or "",
        quantity=quantity.get("value"),
        unit=unit_of(quantity),
        days=_in_days(supply.get("expectedSupplyDuration", {})),
        is_long_term=any(c.get("code") == LONG_TERM for c in request.get("courseOfTherapyType", {}).get("coding", ())),
        reason=" ".join(note["text"].strip() for note in request.get("note", ()) if note.get("text")),
        valid_until=dates.read(ends).hi if ends else None,
    )


def unit_of(quantity: Mapping[str, Any]) -> str:
    """A quantity's unit: its code, or how it is written when it has none."""
    return str(quantity.get("code") or quantity.get("unit") or "")


def _legal_class(medication: Mapping[str, Any]) -> str:
    given = [one.get("valueCode", "") for one in medication.get("extension", ()) if one.get("url") == LEGAL_CLASS]
    return given[0] if given else ""


def _directions(request: Mapping[str, Any]) -> Iterable[str]:
    for dosage in request.get("dosageInstruction", ()):
        yield from (dosage[name] for name in ("text", "patientInstruction") if dosage.get(name))


def _said(concept: Mapping[str, Any]) -> str:
    codings = [coding.get("code") or coding.get("display") or "" for coding in concept.get("coding", ())]
    return str(concept.get("text") or next(filter(None, codings), ""))


def _is_timed(timing: Mapping[str, Any]) -> bool:
    repeat = timing.get("repeat", {})
    counted = all(repeat.get(name, 0) > 0 for name in ("frequency", "period")) and bool(repeat.get("periodUnit"))
    return counted or bool(_said(timing.get("code", {})))


def _in_days(duration: Mapping[str, Any]) -> Decimal | None:
    value, days = duration.get("value"), DAYS.get(duration.get("code") or duration.get("unit") or "")
    return value * days if value is not None and days else None


def is_pharmacy(organization: Mapping[str, Any], *, kinds: frozenset[str] = PHARMACY_KINDS) -> bool:
    """Whether an Organization is an active pharmacy of one of these kinds."""
    codings = [coding for type_ in organization.get("type", ()) for coding in type_.get("coding", ())]
    kind = any(c.get("system") == ORGANIZATION_KIND and c.get("code") in kinds for c in codings)
    return kind and organization.get("active", True) is True


def task(order: Order, *, now: datetime) -> Resource:
    """The order as others see it."""
    requests = [{"reference": f"MedicationRequest/{fill.request}"} for fill in order.fills]
    body: Resource = {
        "resourceType": "Task",
        "basedOn": requests,
        "groupIdentifier": {"system": PRESCRIPTION, "value": order.group},
        "status": STATUS[order.state],
        "businessStatus": {"coding": [{"system": ORDER_STATE, "code": order.state.value}]},
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODE, "code": "dispense"}]},
        "focus": requests[0],
        "for": {"reference": f"Patient/{order.patient}"},
        "encounter": {"reference": order.encounter},
        "authoredOn": written(order.authored_at),
        "lastModified": written(max(now, order.authored_at)),
        "requester": {"reference": order.prescriber},
        "owner": {"reference": order.owner},
        "restriction": {"period": {"start": written(order.authored_at), "end": written(order.expires_at)}},
    }
    if order.reason:
        body["statusReason"] = {"text": order.reason}
    return body


def activated(draft: bytes, *, authored_at: datetime) -> bytes:
    """A draft as it is signed: active, authored now, every other byte of a value as the doctor sent it."""
    return _with(draft, drop=("meta",), status="active", authoredOn=written(authored_at))


def ended(request: bytes, *, status: str) -> bytes:
    """A line with another status and nothing else changed."""
    return _with(request, status=status)


def _with(body: bytes, *, drop: tuple[str, ...] = (), **changed: str) -> bytes:
    parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    kept = {name: value for name, value in parts.items() if name not in drop}
    return msgspec.json.encode(kept | {name: msgspec.Raw(msgspec.json.encode(text)) for name, text in changed.items()})


def dispense(order: Order, fill: Fill, quantity: Mapping[str, Any], *, request: bytes, by: str, now: datetime) -> bytes:
    """The record of one line handed over (by `by`, a Practitioner) in the unit and directions of its order."""
    ordered = msgspec.json.decode(request, type=dict[str, msgspec.Raw])
    body: Resource = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationReference": {"reference": fill.medication},
        "subject": {"reference": f"Patient/{order.patient}"},
        "context": {"reference": order.encounter},
        "performer": [{"actor": {"reference": by}}, {"actor": {"reference": order.owner}}],
        "authorizingPrescription": [{"reference": f"MedicationRequest/{fill.request}"}],
        "quantity": quantity,
        "whenHandedOver": written(now),
    }
    if "dosageInstruction" in ordered:
        body["dosageInstruction"] = ordered["dosageInstruction"]
    return encode(body)


def reasons(request: Mapping[str, Any]) -> list[str]:
    """References of the Conditions a line is for."""
    return [named for one in request.get("reasonReference", ()) if (named := referred(one, "Condition"))]
