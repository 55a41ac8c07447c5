"""Appointments, slots and tickets as FHIR R4 (https://hl7.org/fhir/R4/appointment.html)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import orjson

from record.canonical import ACT_CODE, VIRTUAL_SERVICE, code_system, extension
from services.appointments.appointment import AppointmentStatus, Place, Visit
from services.appointments.diary import Opening
from services.appointments.ticket import Ticket

PROPOSED = "proposed-"
HOLD_EXPIRES = extension("hold-expires")
TICKET = extension("ticket")
DISPLAY = {Visit.VIDEO: "virtual", Visit.IN_PERSON: "ambulatory"}
EXTENDABLE = frozenset({"extension", "supportingInformation"})
"""Where both the client and the hospital have something to say."""
KIND = {Visit.VIDEO: "FOLLOWUP", Visit.IN_PERSON: "ROUTINE"}

Resource = dict[str, Any]


def instant(at: datetime) -> str:
    """An instant as FHIR writes it."""
    return at.isoformat(timespec="seconds")


def visit_type(visit: Visit) -> Resource:
    """The kind of visit as a service type."""
    return {"coding": [{"system": ACT_CODE, "code": visit.value, "display": DISPLAY[visit]}]}


def appointment(
    place: Place,
    *,
    status: AppointmentStatus,
    patient: str | None,
    visit: Visit | None = None,
    prior_record: str | None = None,
    comment: str | None = None,
    created: datetime | None = None,
) -> Resource:
    """A visit at this place."""
    kind = visit or place.visit
    accepted = "needs-action" if status is AppointmentStatus.PROPOSED else "accepted"
    actors = [
        {"reference": place.practitioner, "display": place.practitioner_display},
        {"reference": place.service, "display": place.service_display},
        {"reference": place.location, "display": place.service_display},
    ]
    if patient:
        actors.insert(0, {"reference": f"Patient/{patient}"})
    body: Resource = {
        "resourceType": "Appointment",
        "status": status.value,
        "serviceType": [visit_type(kind)],
        "appointmentType": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0276", "code": KIND[kind]}]
        },
        "start": instant(place.starts_at),
        "end": instant(place.ends_at),
        "minutesDuration": int((place.ends_at - place.starts_at).total_seconds() // 60),
        "slot": [{"reference": f"Slot/{place.slot}"}],
        "participant": [{"actor": actor, "required": "required", "status": accepted} for actor in actors],
    }
    if kind is Visit.VIDEO:
        body["extension"] = [virtual_service()]
    if created:
        body["created"] = instant(created)
    if prior_record:
        body["supportingInformation"] = [{"reference": prior_record}]
    if comment:
        body["comment"] = comment
    return body


def proposal(place: Place) -> Resource:
    """A free place as an answer to $find: not stored, named after its slot."""
    body = appointment(place, status=AppointmentStatus.PROPOSED, patient=None)
    return {**body, "id": f"{PROPOSED}{place.slot}"}


def virtual_service() -> Resource:
    """That the visit is by video, in the consult room of this platform; it holds no secret."""
    channel = {"system": code_system("virtual-service"), "code": "yuzhen-consult"}
    return {"url": VIRTUAL_SERVICE, "extension": [{"url": "channelType", "valueCoding": channel}]}


def held(body: Resource, *, until: datetime) -> Resource:
    """A pending visit that says until when its place is kept."""
    kept = {"url": HOLD_EXPIRES, "valueInstant": instant(until)}
    return {**body, "extension": [*body.get("extension", []), kept]}


def with_said(facts: Resource, said: bytes) -> bytes:
    """The visit as the hospital knows it, with all its client said besides, byte for byte."""
    theirs = msgspec.json.decode(said, type=dict[str, msgspec.Raw])
    ours = {name: msgspec.Raw(orjson.dumps(value)) for name, value in facts.items()}
    for name in EXTENDABLE & theirs.keys() & ours.keys():
        kept = [one for one in facts[name] if one not in orjson.loads(theirs[name])]
        rest = b"".join(b"," + orjson.dumps(one) for one in kept)
        ours[name] = msgspec.Raw(bytes(theirs[name]).rstrip()[:-1] + rest + b"]")
    return msgspec.json.encode({**theirs, **ours})


def with_status(body: Mapping[str, Any], status: AppointmentStatus, *, reason: str | None = None) -> Resource:
    """The same visit in another state; what a hold or an old ticket said is left out when it no longer holds."""
    changed = {**body, "status": status.value}
    if reason:
        changed["cancelationReason"] = {"text": reason}
    return _with_extensions(changed, drop={HOLD_EXPIRES})


def with_ticket(body: Mapping[str, Any], ticket: Ticket) -> Resource:
    """The visit with its ticket as it stands."""
    shown = {
        "url": TICKET,
        "extension": [
            {"url": "number", "valuePositiveInt": ticket.number},
            {"url": "state", "valueCode": ticket.state.value},
        ],
    }
    return _with_extensions(body, drop={TICKET}, add=[shown])


def patient_in(body: Mapping[str, Any]) -> str:
    """Id of the visit's patient."""
    return _actor(body, "Patient/").removeprefix("Patient/")


def practitioner_in(body: Mapping[str, Any]) -> str:
    """Reference of the visit's doctor."""
    return _actor(body, "Practitioner/")


def service_in(body: Mapping[str, Any]) -> str:
    """Reference of the visit's clinic."""
    return _actor(body, "HealthcareService/")


def slot_in(body: Mapping[str, Any]) -> str | None:
    """Id of the visit's slot."""
    slots = body.get("slot") or []
    return str(slots[0].get("reference", "")).removeprefix("Slot/") or None if slots else None


def visit_in(body: Mapping[str, Any]) -> Visit:
    """The kind of visit."""
    codes = {c.get("code") for service in body.get("serviceType", []) for c in service.get("coding", [])}
    return Visit.VIDEO if Visit.VIDEO.value in codes else Visit.IN_PERSON


def slot(opening: Opening, *, service_type: Sequence[Resource], specialty: Sequence[Resource]) -> Resource:
    """A free slot of a schedule."""
    body: Resource = {
        "resourceType": "Slot",
        "serviceType": [*service_type, visit_type(opening.visit)],
        "schedule": {"reference": f"Schedule/{opening.schedule}"},
        "status": "free",
        "start": instant(opening.starts_at),
        "end": instant(opening.ends_at),
    }
    return {**body, "specialty": list(specialty)} if specialty else body


def schedule_row(body: Mapping[str, Any], *, organization: str) -> dict[str, Any] | None:
    """What the diary needs of a Schedule; None when its actors do not say who, for which clinic and where."""
    actors = {a.get("reference", "").partition("/")[0]: a for a in body.get("actor", [])}
    if not {"Practitioner", "HealthcareService", "Location"} <= actors.keys():
        return None
    kinds = {visit.value for visit in Visit}
    types = [t for t in body.get("serviceType", []) if not kinds & {c.get("code") for c in t.get("coding", [])}]
    return {
        "practitioner": actors["Practitioner"]["reference"],
        "service": actors["HealthcareService"]["reference"],
        "location": actors["Location"]["reference"],
        "organization": organization,
        "practitioner_display": actors["Practitioner"].get("display", ""),
        "service_display": actors["HealthcareService"].get("display", ""),
        "service_type": types,
        "specialty": body.get("specialty", []),
    }


def _actor(body: Mapping[str, Any], prefix: str) -> str:
    references = (p.get("actor", {}).get("reference", "") for p in body.get("participant", []))
    return next((reference for reference in references if reference.startswith(prefix)), "")


def _with_extensions(body: Mapping[str, Any], *, drop: set[str], add: Sequence[Resource] = ()) -> Resource:
    kept = [one for one in body.get("extension", []) if one.get("url") not in drop]
    changed = {name: value for name, value in body.items() if name != "extension"}
    return {**changed, "extension": [*kept, *add]} if kept or add else changed
