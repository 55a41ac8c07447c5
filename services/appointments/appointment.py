"""A visit from booking to its end (https://hl7.org/fhir/R4/appointment.html)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AppointmentStatus(StrEnum):
    """The states we use of FHIR's AppointmentStatus."""

    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"


NEXT: Mapping[AppointmentStatus, frozenset[AppointmentStatus]] = {
    AppointmentStatus.PROPOSED: frozenset({AppointmentStatus.PENDING, AppointmentStatus.BOOKED}),
    AppointmentStatus.PENDING: frozenset({AppointmentStatus.BOOKED, AppointmentStatus.CANCELLED}),
    AppointmentStatus.BOOKED: frozenset(
        {AppointmentStatus.CHECKED_IN, AppointmentStatus.CANCELLED, AppointmentStatus.NOSHOW}
    ),
    AppointmentStatus.CHECKED_IN: frozenset(
        {AppointmentStatus.FULFILLED, AppointmentStatus.CANCELLED, AppointmentStatus.NOSHOW}
    ),
    AppointmentStatus.FULFILLED: frozenset(),
    AppointmentStatus.CANCELLED: frozenset(),
    AppointmentStatus.NOSHOW: frozenset(),
}
"""Every step a visit may take; anything not here is refused."""


class Visit(StrEnum):
    """Kind of visit, by HL7's ActCode."""

    VIDEO = "VR"
    IN_PERSON = "AMB"


@dataclass(frozen=True, slots=True)
class Place:
    """A bookable time of one doctor, and where it is."""

    slot: str
    schedule: str
    starts_at: datetime
    ends_at: datetime
    visit: Visit
    practitioner: str
    service: str
    organization: str
    location: str
    practitioner_display: str
    service_display: str
    full: bool
    """Whether no free place is left in the slot, this one counted."""


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """What is asked for: a place by its slot or an earlier hold, for whom, and what for."""

    patient: str
    slot: str | None = None
    hold: str | None = None
    visit: Visit | None = None
    prior_record: str | None = None
    comment: str | None = None
    said: bytes | None = None
    """The Appointment as its client wrote it, when it came as one."""


def may_become(now: AppointmentStatus, then: AppointmentStatus) -> bool:
    """Whether a visit may take this step."""
    return then in NEXT[now]
