"""Facts the appointments room tells and hears."""

from datetime import datetime

from kernel import events
from kernel.database import Transaction
from proto.yuzhen.appointments.v1 import events_pb2 as told
from proto.yuzhen.consult.v1 import events_pb2 as heard
from services.appointments.appointment import Place

CONSULT = ("consult",)
VISIT_STARTED = heard.VisitStarted.DESCRIPTOR.full_name
VISIT_FINISHED = heard.VisitFinished.DESCRIPTOR.full_name


async def tell_booked(
    tx: Transaction, place: Place, *, appointment: str, patient: str, visit: str, id: str, now: datetime
) -> None:
    """Tell that a visit is booked."""
    event = told.AppointmentBooked(
        appointment=appointment,
        patient=patient,
        practitioner=place.practitioner,
        service=place.service,
        start_seconds=int(place.starts_at.timestamp()),
        visit_class=visit,
    )
    await events.tell(tx, event, to=CONSULT, id=id, now=now)


async def tell_cancelled(tx: Transaction, *, appointment: str, patient: str, id: str, now: datetime) -> None:
    """Tell that a booked visit will not take place."""
    event = told.AppointmentCancelled(appointment=appointment, patient=patient)
    await events.tell(tx, event, to=CONSULT, id=id, now=now)


async def tell_called(
    tx: Transaction,
    *,
    appointment: str,
    patient: str,
    practitioner: str,
    service: str,
    organization: str,
    location: str,
    visit: str,
    id: str,
    now: datetime,
) -> None:
    """Tell that the doctor has called a patient."""
    event = told.PatientCalled(
        appointment=appointment,
        patient=patient,
        practitioner=practitioner,
        service=service,
        organization=organization,
        location=location,
        visit_class=visit,
    )
    await events.tell(tx, event, to=CONSULT, id=id, now=now)


def appointment_of_started(body: bytes) -> str:
    """Which visit has begun."""
    return heard.VisitStarted.FromString(body).appointment


def appointment_of_finished(body: bytes) -> str:
    """Which visit has ended."""
    return heard.VisitFinished.FromString(body).appointment
