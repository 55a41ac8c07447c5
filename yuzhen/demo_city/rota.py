"""When each doctor sees patients, as FHIR Schedule and Slot.

https://hl7.org/fhir/R4/schedule.html, https://hl7.org/fhir/R4/slot.html. A slot lasts 30 minutes at most (BOOK-02).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from kernel.clock import CHONGQING
from yuzhen.demo_city.codes import Resource, reference
from yuzhen.demo_city.departments import Visit, service_type, specialty, visit_type, visits
from yuzhen.demo_city.staff import Doctor, doctors

TEAM = 3
"""Doctors on each shift of the clinic that never closes."""


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of clinic cut into slots of equal length."""

    begins: time
    slots: int
    minutes: int
    visit: Visit


@dataclass(frozen=True, slots=True)
class SlotFact:
    """One bookable time of one doctor; `start` and `end` are aware, on the hospital's wall clock."""

    id: str
    schedule: str
    doctor: Doctor
    start: datetime
    end: datetime
    capacity: int
    visit: Visit


def schedule_resource(doctor: Doctor, start: date, days: int = 14) -> Resource:
    """The doctor's schedule, open for planning from the start day for so many days."""
    department = doctor.department
    return {
        "resourceType": "Schedule",
        "id": f"schedule-{doctor.id}",
        "active": True,
        "serviceType": [service_type(department), *(visit_type(visit) for visit in visits(department))],
        "specialty": [specialty(doctor.specialty)],
        "actor": [
            reference("PractitionerRole", f"role-{doctor.id}", doctor.name.text),
            reference("HealthcareService", department.id, department.name_zh),
            reference("Location", department.location_id, department.name_zh),
            reference("Practitioner", doctor.id, doctor.name.text),
        ],
        "planningHorizon": {"start": _midnight(start), "end": _midnight(start + timedelta(days=days))},
    }


def slots_for(day: date) -> Iterator[SlotFact]:
    """All slots of a day, doctor by doctor in order of time. The same day always has the same slots."""
    for doctor in doctors():
        for session in sessions(doctor, day):
            yield from _slots(doctor, day, session)


def sessions(doctor: Doctor, day: date) -> tuple[Session, ...]:
    """When the doctor holds clinic on a day."""
    if doctor.department.is_always_open:
        return _SHIFTS[(day.toordinal() + doctor.place // TEAM) % len(_SHIFTS)]
    week = _MORNINGS if doctor.place % 3 == 2 else _FULL_WEEK
    return week.get(day.weekday(), ())


_MORNING = Session(time(8), 8, 30, Visit.IN_PERSON)
_AFTERNOON = Session(time(14), 7, 30, Visit.IN_PERSON)
_VIDEO_AFTERNOON = Session(time(14), 7, 30, Visit.VIDEO)
_SHORT_MORNING = Session(time(8), 12, 20, Visit.IN_PERSON)
_VIDEO_SATURDAY = Session(time(8), 12, 20, Visit.VIDEO)

_FULL_WEEK: Mapping[int, tuple[Session, ...]] = {
    weekday: (_MORNING, _VIDEO_AFTERNOON if weekday in (1, 3) else _AFTERNOON) for weekday in range(5)
}
_MORNINGS: Mapping[int, tuple[Session, ...]] = {
    **{weekday: (_SHORT_MORNING,) for weekday in range(5)},
    5: (_VIDEO_SATURDAY,),
}

# Four teams walk through day, evening, rest, night: each day every shift has one team, and 24 hours lie between shifts.
_SHIFTS: tuple[tuple[Session, ...], ...] = (
    (Session(time(8), 48, 10, Visit.VIDEO),),
    (Session(time(16), 48, 10, Visit.VIDEO),),
    (),
    (Session(time(0), 48, 10, Visit.VIDEO),),
)


def _slots(doctor: Doctor, day: date, session: Session) -> Iterator[SlotFact]:
    opens = datetime.combine(day, session.begins, CHONGQING)
    length = timedelta(minutes=session.minutes)
    for index in range(session.slots):
        start = opens + index * length
        name = f"slot-{doctor.id}-{start:%Y%m%d%H%M}"
        yield SlotFact(name, f"schedule-{doctor.id}", doctor, start, start + length, 1, session.visit)


def _midnight(day: date) -> str:
    return datetime.combine(day, time(0), CHONGQING).isoformat()
