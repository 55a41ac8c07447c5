"""What an operation's parameters ask for, as the use cases need it; what is missing is named."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kernel.failures import Invalid
from services.appointments import fhir
from services.appointments.appointment import AppointmentStatus, BookingRequest, Visit
from services.appointments.failures import QuestionIncomplete, SlotUnknown
from services.appointments.wish import Wish

Parameters = Mapping[str, Any]
PLAIN = re.compile(r"[A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


class ParameterUnusable(Invalid):
    """A parameter of the operation cannot be read."""

    issue, code = "value", "parameter-unusable"


def wish(given: Parameters) -> Wish:
    """What $find looks for. Raises QuestionIncomplete, ParameterUnusable."""
    return Wish(
        start=_instant(given, "start"),
        end=_instant(given, "end"),
        practitioners=_references(given, "practitioner", "Practitioner"),
        organizations=_references(given, "organization", "Organization"),
        services=_references(given, "service", "HealthcareService"),
        locations=_references(given, "location", "Location"),
        specialties=_texts(given, "specialty"),
        districts=_texts(given, "district"),
        visit=_visit(given),
        count=_count(given),
    )


def proposed_slot(given: Parameters) -> str:
    """The slot of the proposed Appointment that is to be held. Raises QuestionIncomplete, SlotUnknown."""
    id_ = _appointment(given)
    if not id_.startswith(fhir.PROPOSED):
        raise SlotUnknown
    return id_.removeprefix(fhir.PROPOSED)


def patient(given: Parameters, *, own: str | None) -> str:
    """For whom: named, or the patient who asks. Raises QuestionIncomplete."""
    named = _references(given, "patient-reference", "Patient")
    if named:
        return named[0].removeprefix("Patient/")
    if own is None:
        raise QuestionIncomplete("Say for whom: patient-reference.")
    return own


def booking_request(given: Parameters, *, own: str | None) -> BookingRequest:
    """What $book asks for. Raises QuestionIncomplete, ParameterUnusable."""
    resource = given.get("appointment-resource")
    if isinstance(resource, dict):
        return request_of(resource)
    id_ = _appointment(given)
    proposed = id_.startswith(fhir.PROPOSED)
    prior = _references(given, "prior-diagnosis", "DocumentReference")
    comment = given.get("comment")
    return BookingRequest(
        patient=patient(given, own=own),
        slot=id_.removeprefix(fhir.PROPOSED) if proposed else None,
        hold=None if proposed else id_,
        visit=_visit(given),
        prior_record=prior[0] if prior else None,
        comment=str(comment) if comment else None,
    )


def request_of(resource: dict[str, Any], said: bytes | None = None) -> BookingRequest:
    """The booking that an Appointment resource asks for; `said` are its own bytes. Raises QuestionIncomplete."""
    patient, slot = fhir.patient_in(resource), fhir.slot_in(resource)
    if not patient or not slot or len(resource["slot"]) > 1 or resource["status"] != AppointmentStatus.BOOKED:
        raise QuestionIncomplete(
            "A booking names one slot and one Patient and has status booked.", expression="Appointment.slot"
        )
    support = resource.get("supportingInformation") or [{}]
    return BookingRequest(
        patient=patient,
        slot=slot,
        visit=fhir.visit_in(resource) if resource.get("serviceType") else None,
        prior_record=support[0].get("reference"),
        comment=resource.get("comment"),
        said=said,
    )


def cancelled_appointment(given: Parameters) -> tuple[str, str | None] | None:
    """Id and reason when $book is asked to cancel (IHE ITI-117), else None."""
    resource = given.get("appointment-resource")
    if not isinstance(resource, dict) or resource.get("status") != "cancelled":
        return None
    if not resource.get("id"):
        raise QuestionIncomplete("A visit to cancel has an id.", expression="Appointment.id")
    return str(resource["id"]), resource.get("cancelationReason", {}).get("text")


def _appointment(given: Parameters) -> str:
    found = _references(given, "appointment-reference", "Appointment")
    if not found:
        raise QuestionIncomplete("Say which time: appointment-reference.")
    return found[0].removeprefix("Appointment/")


def _listed(given: Parameters, name: str) -> list[Any]:
    value = given.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(given: Parameters, name: str) -> list[str]:
    """Values of a parameter, given as repeats, with commas, or as codings."""
    found: list[str] = []
    for value in _listed(given, name):
        codings = value.get("coding", [value]) if isinstance(value, dict) else []
        found += [str(c["code"]) for c in codings if "code" in c]
        found += [part for part in str(value).split(",") if part] if not isinstance(value, dict) else []
    return found


def _references(given: Parameters, name: str, type_: str) -> list[str]:
    found: list[str] = []
    for value in _listed(given, name):
        text = value.get("reference", "") if isinstance(value, dict) else str(value)
        for one in text.split(","):
            plain = one if "/" in one else f"{type_}/{one}"
            if not plain.startswith(f"{type_}/") or not PLAIN.fullmatch(plain):
                raise ParameterUnusable(f"{name} is a reference to a {type_}.")
            found.append(plain)
    return found


def _instant(given: Parameters, name: str) -> datetime:
    if name not in given:
        raise QuestionIncomplete(f"Say from when until when: {name} is missing.")
    try:
        at = datetime.fromisoformat(str(given[name]).replace(" ", "+"))
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParameterUnusable(f"{name} is an instant such as 2026-11-25T08:00:00+08:00.") from None
    raise ParameterUnusable(f"{name} needs its time zone.")


def _visit(given: Parameters) -> Visit | None:
    value = given.get("visit-type")
    codes = _texts(given, "visit-type")
    if value is None:
        return None
    if not codes or codes[0] not in set(Visit):
        raise ParameterUnusable("visit-type is VR (video) or AMB (in person).")
    return Visit(codes[0])


def _count(given: Parameters) -> int:
    text = str(given.get("_count", "50"))
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise ParameterUnusable("_count is a whole number.")
    return int(text)
