"""Facts the consult room tells and hears."""

from datetime import datetime

from kernel import events
from kernel.database import Transaction
from proto.yuzhen.appointments.v1 import events_pb2 as heard
from proto.yuzhen.consult.v1 import events_pb2 as told
from services.consult.encounter import Call, Visit

BOOKED = heard.AppointmentBooked.DESCRIPTOR.full_name
CANCELLED = heard.AppointmentCancelled.DESCRIPTOR.full_name
CALLED = heard.PatientCalled.DESCRIPTOR.full_name
FINISHED = told.VisitFinished.DESCRIPTOR.full_name


async def tell_started(tx: Transaction, *, appointment: str, encounter: str, id: str, now: datetime) -> None:
    """Tell that doctor and patient have begun."""
    event = told.VisitStarted(appointment=appointment, encounter=encounter)
    await events.tell(tx, event, to=("appointments",), id=id, now=now)


async def tell_finished(tx: Transaction, *, appointment: str, encounter: str, id: str, now: datetime) -> None:
    """Tell that the doctor has ended the visit; told to ourselves too, so that the media room is closed for sure."""
    event = told.VisitFinished(appointment=appointment, encounter=encounter)
    await events.tell(tx, event, to=("appointments", "consult"), id=id, now=now)


def appointment_of_booked(body: bytes) -> str:
    """Which appointment was booked."""
    return heard.AppointmentBooked.FromString(body).appointment


def appointment_of_cancelled(body: bytes) -> str:
    """Which appointment will not take place."""
    return heard.AppointmentCancelled.FromString(body).appointment


def encounter_of_finished(body: bytes) -> str:
    """Which encounter has ended."""
    return told.VisitFinished.FromString(body).encounter


def call_of(body: bytes) -> Call:
    """Who was called, by whom, and where."""
    event = heard.PatientCalled.FromString(body)
    return Call(
        appointment=event.appointment,
        patient=event.patient,
        practitioner=event.practitioner,
        service=event.service,
        organization=event.organization,
        location=event.location,
        visit=Visit(event.visit_class),
    )
