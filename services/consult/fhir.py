"""Encounters and the messages of a visit as FHIR R4 (https://hl7.org/fhir/R4/encounter.html, communication.html)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import orjson

from record.canonical import ACT_CODE, ICD_10, code_system, extension
from services.consult.encounter import Call, EncounterStatus, Visit

FOLLOW_UP = extension("follow-up")
SERVICE = extension("service")
CATEGORY = code_system("communication-category")
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
DISPLAY = {Visit.VIDEO: "virtual", Visit.IN_PERSON: "ambulatory"}

Resource = dict[str, Any]


def instant(at: datetime) -> str:
    """An instant as FHIR writes it."""
    return at.isoformat(timespec="seconds")


def encounter(call: Call, *, now: datetime) -> Resource:
    """The encounter of a patient who was called."""
    performer = {"coding": [{"system": PARTICIPATION, "code": "PPRF", "display": "primary performer"}]}
    body: Resource = {
        "resourceType": "Encounter",
        "extension": [{"url": SERVICE, "valueReference": {"reference": call.service}}],
        "status": EncounterStatus.ARRIVED.value,
        "statusHistory": [_standing(EncounterStatus.ARRIVED, now)],
        "class": {"system": ACT_CODE, "code": call.visit.value, "display": DISPLAY[call.visit]},
        "subject": {"reference": f"Patient/{call.patient}"},
        "participant": [{"type": [performer], "individual": {"reference": call.practitioner}}],
        "appointment": [{"reference": f"Appointment/{call.appointment}"}],
    }
    if call.location:
        body["location"] = [{"location": {"reference": call.location}}]
    if call.organization:
        body["serviceProvider"] = {"reference": call.organization}
    return body


def with_status(body: Mapping[str, Any], status: EncounterStatus, *, now: datetime) -> Resource:
    """The encounter one step on: the former state ends now, and the period says when the visit began and ended."""
    changed = {**body, "status": status.value}
    *before, last = body["statusHistory"]
    ended = {**last, "period": {**last["period"], "end": instant(now)}}
    changed["statusHistory"] = [*before, ended, _standing(status, now)]
    if status is EncounterStatus.IN_PROGRESS:
        changed["period"] = {"start": instant(now)}
    if status is EncounterStatus.FINISHED:
        changed["period"] = {**body.get("period", {}), "end": instant(now)}
    return changed


def with_follow_up(
    body: Mapping[str, Any], *, judgement: bool, evidence: str | None, by: str, rule: str, now: datetime
) -> Resource:
    """The encounter with its doctor's judgement whether it is a follow-up, and the rule that asked for it."""
    parts: list[Resource] = [{"url": "judgement", "valueBoolean": judgement}]
    if evidence:
        parts.append({"url": "evidence", "valueReference": {"reference": evidence}})
    parts += [
        {"url": "by", "valueReference": {"reference": by}},
        {"url": "at", "valueInstant": instant(now)},
        {"url": "rule", "valueString": rule},
    ]
    others = [one for one in body.get("extension", []) if one["url"] != FOLLOW_UP]
    return {**body, "extension": [*others, {"url": FOLLOW_UP, "extension": parts}]}


def judgement_in(body: Mapping[str, Any]) -> bool | None:
    """What the doctor has judged, or None when it was not judged yet."""
    judged = [one for one in body.get("extension", []) if one["url"] == FOLLOW_UP]
    parts = [part for one in judged for part in one["extension"] if part["url"] == "judgement"]
    return parts[0]["valueBoolean"] if parts else None


def notification(*, appointment: str, patient: str, sender: str, texts: Sequence[str], now: datetime) -> Resource:
    """A word from the clinic to the patient about a booking; one payload per language."""
    person = {"reference": f"Patient/{patient}"}
    body: Resource = {
        "resourceType": "Communication",
        "status": "completed",
        "category": [{"coding": [{"system": CATEGORY, "code": "notification"}]}],
        "subject": person,
        "about": [{"reference": f"Appointment/{appointment}"}],
        "sent": instant(now),
        "recipient": [person],
        "payload": [{"contentString": text} for text in texts],
    }
    return {**body, "sender": {"reference": sender}} if sender else body


def with_sent(body: bytes, at: datetime) -> bytes:
    """A message that says when it was sent; every other byte stays as it came."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**fields, "sent": msgspec.Raw(orjson.dumps(instant(at)))})


def is_chat(body: Mapping[str, Any]) -> bool:
    """Whether a message says that it is part of a conversation, and nothing else."""
    codings = [coding for category in body.get("category", []) for coding in category.get("coding", [])]
    return bool(codings) and all(c.get("code") == "chat" and c.get("system") in {CATEGORY, None} for c in codings)


def patient_in(body: Mapping[str, Any]) -> str:
    """Reference of the encounter's patient."""
    return _reference(body.get("subject"))


def practitioner_in(body: Mapping[str, Any]) -> str:
    """Reference of the encounter's doctor."""
    return next((_reference(one.get("individual")) for one in body.get("participant", [])), "")


def service_in(body: Mapping[str, Any]) -> str:
    """Reference of the encounter's clinic."""
    named = (one.get("valueReference") for one in body.get("extension", []) if one["url"] == SERVICE)
    return next((_reference(reference) for reference in named), "")


def appointment_in(body: Mapping[str, Any]) -> str:
    """Id of the appointment the encounter came from."""
    return next((_reference(one) for one in body.get("appointment", [])), "").removeprefix("Appointment/")


def status_in(body: Mapping[str, Any]) -> EncounterStatus:
    """The encounter's state."""
    return EncounterStatus(body["status"])


def visit_in(body: Mapping[str, Any]) -> Visit:
    """The kind of visit."""
    return Visit(body["class"]["code"])


def people_in(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """References of those whose open pages show the encounter: patient, doctor, clinic."""
    return patient_in(body), practitioner_in(body), service_in(body)


def actor_in(appointment: Mapping[str, Any], type_: str) -> Resource:
    """Who of this type takes part in an appointment: its reference and display."""
    actors = (one.get("actor", {}) for one in appointment.get("participant", []))
    return next((actor for actor in actors if _reference(actor).startswith(f"{type_}/")), {})


def kind_in(appointment: Mapping[str, Any]) -> Visit:
    """The kind of visit that was booked."""
    codes = {c.get("code") for service in appointment.get("serviceType", []) for c in service.get("coding", [])}
    return Visit.VIDEO if Visit.VIDEO.value in codes else Visit.IN_PERSON


def prior_records_in(appointment: Mapping[str, Any]) -> list[str]:
    """Ids of the documents a patient has booked with."""
    named = [_reference(one) for one in appointment.get("supportingInformation", [])]
    return [name.removeprefix("DocumentReference/") for name in named if name.startswith("DocumentReference/")]


def is_diagnosed(document: Mapping[str, Any]) -> bool:
    """Whether an earlier record is in force and says its diagnosis as an ICD-10 code."""
    events = document.get("context", {}).get("event", [])
    codes = [coding for event in events for coding in event.get("coding", []) if coding.get("system") == ICD_10]
    return document.get("status") == "current" and any(coding.get("code") for coding in codes)


def _standing(status: EncounterStatus, since: datetime) -> Resource:
    return {"status": status.value, "period": {"start": instant(since)}}


def _reference(value: Mapping[str, Any] | None) -> str:
    return str((value or {}).get("reference", ""))
