from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest

from kernel.clock import CHONGQING
from services.appointments.diary import openings
from yuzhen.demo_city.departments import Visit
from yuzhen.demo_city.rota import SlotFact, schedule_resource, slots_for
from yuzhen.demo_city.staff import doctors
from yuzhen.seed import patterns

DAYS = [date(2026, 11, 25), date(2028, 2, 29), date(2026, 12, 31), date(2027, 1, 1), date(2027, 2, 7)]


def of_the_clinic_that_never_closes(day: date) -> list[SlotFact]:
    return [fact for fact in slots_for(day) if fact.doctor.department.is_always_open]


@pytest.mark.parametrize("start", [date(2026, 11, 25) + timedelta(days=n) for n in range(7)])
def test_a_fortnight_has_ten_to_fourteen_thousand_slots(start: date) -> None:
    """Whatever weekday it begins on, a fortnight offers as many slots as a small city needs."""
    assert 10_000 <= sum(1 for n in range(14) for _ in slots_for(start + timedelta(days=n))) <= 14_000


def test_no_doctor_is_in_two_places_at_once() -> None:
    """Over two weeks no slot of a doctor begins before the one before it has ended, and no id comes twice."""
    facts = [fact for n in range(14) for fact in slots_for(DAYS[0] + timedelta(days=n))]
    assert len({fact.id for fact in facts}) == len(facts)
    for doctor in doctors():
        own = sorted((fact for fact in facts if fact.doctor is doctor), key=lambda fact: fact.start)
        assert own
        assert all(earlier.end <= later.start for earlier, later in pairwise(own))


@pytest.mark.parametrize("day", DAYS)
def test_the_internet_clinic_covers_every_minute(day: date) -> None:
    """At each minute of any day three doctors have a slot running, and three or more begin one within 15 minutes."""
    facts = of_the_clinic_that_never_closes(day) + of_the_clinic_that_never_closes(day + timedelta(days=1))
    midnight = datetime.combine(day, time(0), CHONGQING)
    for minute in range(24 * 60):
        now = midnight + timedelta(minutes=minute)
        running = {fact.doctor.id for fact in facts if fact.start <= now < fact.end}
        soon = {fact.doctor.id for fact in facts if now <= fact.start < now + timedelta(minutes=15)}
        assert len(running) == 3, now
        assert len(soon) >= 3, now


def test_night_doctors_rest_a_day_between_shifts() -> None:
    """A doctor of the internet clinic works eight hours and then has at least sixteen hours off."""
    facts = [fact for n in range(14) for fact in of_the_clinic_that_never_closes(DAYS[0] + timedelta(days=n))]
    for doctor in {fact.doctor for fact in facts}:
        own = sorted((fact.start, fact.end) for fact in facts if fact.doctor is doctor)
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(own) if later[0] != earlier[1]]
        assert gaps
        assert min(gaps) >= timedelta(hours=16)


def test_slots_last_half_an_hour_at_most() -> None:
    """No slot is longer than 30 minutes (BOOK-02), each holds one patient, and all carry the hospital's offset."""
    for fact in slots_for(DAYS[0]):
        assert timedelta(minutes=10) <= fact.end - fact.start <= timedelta(minutes=30)
        assert fact.capacity == 1
        assert fact.start.utcoffset() == timedelta(hours=8)
        assert fact.start.date() == DAYS[0]


def test_ordinary_departments_keep_office_hours() -> None:
    """They see patients from 8 to 12 and from 14 to 17:30 on weekdays, some on Saturday morning, none on Sunday."""
    monday = date(2026, 11, 23)
    counts = []
    for n in range(7):
        own = [fact for fact in slots_for(monday + timedelta(days=n)) if not fact.doctor.department.is_always_open]
        counts.append(len(own))
        assert all(
            time(8) <= fact.start.time() < time(12) or time(14) <= fact.start.time() < time(17, 30) for fact in own
        )
        assert all(fact.end.time() <= time(17, 30) for fact in own)
    assert min(counts[:5]) > counts[5] > 0 == counts[6]


def test_a_day_is_the_same_at_every_call() -> None:
    """The job that rolls the calendar forward may ask twice and gets the same slots."""
    assert list(slots_for(DAYS[1])) == list(slots_for(DAYS[1]))


@pytest.mark.parametrize("day", DAYS)
def test_the_diary_opens_what_the_rota_says(day: date) -> None:
    """The patterns the record is filled with open exactly the rota's slots, on any day."""
    hours = [pattern for doctor in doctors() for pattern in patterns(doctor)]
    opened = {(o.slot, o.schedule, o.starts_at, o.ends_at, o.visit.value) for o in openings(hours, day)}
    assert opened == {(f.id, f.schedule, f.start, f.end, f.visit.value) for f in slots_for(day)}


def test_both_kinds_of_visit_are_offered() -> None:
    """Outside the internet clinic a weekday has visits in person, and some afternoons are by video."""
    tuesday = [fact for fact in slots_for(date(2026, 11, 24)) if not fact.doctor.department.is_always_open]
    assert {fact.visit for fact in tuesday} == {Visit.IN_PERSON, Visit.VIDEO}


def test_a_schedule_names_its_actors_and_horizon() -> None:
    """The schedule leads to role, department, place and doctor, and is planned for the days asked for."""
    schedule = schedule_resource(doctors()[0], date(2028, 2, 20), days=14)
    kinds = [actor["reference"].split("/")[0] for actor in schedule["actor"]]
    assert kinds == ["PractitionerRole", "HealthcareService", "Location", "Practitioner"]
    assert schedule["planningHorizon"] == {"start": "2028-02-20T00:00:00+08:00", "end": "2028-03-05T00:00:00+08:00"}
