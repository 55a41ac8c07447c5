from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.settings import Settings
from record import read
from record.visible import Everything
from services.appointments import opening, store
from services.appointments.appointment import NEXT, AppointmentStatus, Visit
from services.appointments.diary import Pattern, openings
from tests.appointments.conftest import NOW, Clinic

days = st.dates(date(2020, 1, 1), date(2060, 1, 1))


def pattern(schedule: str, *, day_of_cycle: int = 0, cycle: int = 1) -> Pattern:
    return Pattern(schedule, cycle, day_of_cycle, time(23, 0), 6, 10, Visit.VIDEO, 1)


@given(days)
def test_a_day_s_slots_follow_from_its_patterns(day: date) -> None:
    """Slots stand end to end, the same at each reading, with names that fit FHIR's ids."""
    slots = list(openings([pattern("schedule-x")], day))
    assert slots == list(openings([pattern("schedule-x")], day))
    assert [s.ends_at for s in slots[:-1]] == [s.starts_at for s in slots[1:]]
    assert all(len(f"proposed-{s.slot}") <= 64 for s in slots)
    assert len({s.slot for s in slots}) == 6


@given(days, st.integers(1, 14))
def test_a_cycle_comes_round(day: date, cycle: int) -> None:
    """In each cycle every pattern falls on exactly one day."""
    one = pattern("schedule-x", cycle=cycle, day_of_cycle=day.toordinal() % cycle)
    falls = [one.falls_on(day + timedelta(days=n)) for n in range(2 * cycle)]
    assert falls.count(True) == 2
    assert falls[0]
    assert falls[cycle]


async def test_a_day_opens_once(clinic: Clinic, migrated: Settings) -> None:
    """Opening a day twice, as two workers may, makes its slots once."""
    async with clinic.database.transaction() as tx:
        await store.put_patterns(tx, [pattern(clinic.schedule)])
    day = NOW.date()
    async with clinic.database.transaction() as tx:
        assert await opening.open_day(tx, day, now=NOW) == 6
    async with clinic.database.transaction() as tx:
        assert await opening.open_day(tx, day, now=NOW) == 0
    async with clinic.database.reading() as tx:
        rows = await tx.raw.fetch("select id from appointments.slot where schedule = $1", clinic.schedule)
        shown = await read.read_many(tx, "Slot", [row["id"] for row in rows], visible=Everything())
    assert len(rows) == len(shown) == 6
    assert {one.resource["status"] for one in shown} == {"free"}


async def test_the_horizon_moves_on(clinic: Clinic) -> None:
    """A fortnight is open, and the Schedule says until when."""
    async with clinic.database.transaction() as tx:
        await store.put_patterns(tx, [pattern(clinic.schedule)])
    for now in (NOW, NOW + timedelta(days=30)):
        opened = 0
        while True:
            async with clinic.database.transaction() as tx:
                day = await opening.next_unopened_day(tx, now=now)
                if day is None:
                    await opening.move_horizons(tx, now=now)
                    break
                opened += await opening.open_day(tx, day, now=now)
        assert opened >= 14 * 6
        async with clinic.database.reading() as tx:
            schedule = await read.read(tx, "Schedule", clinic.schedule, visible=Everything())
        assert schedule.resource["planningHorizon"]["end"].startswith(str(now.date() + timedelta(days=14)))


@pytest.mark.parametrize("status", AppointmentStatus)
def test_a_visit_s_steps_are_complete(status: AppointmentStatus) -> None:
    """Every state of a visit has its row, and ended visits have no way back."""
    assert status in NEXT
    if status in {AppointmentStatus.FULFILLED, AppointmentStatus.CANCELLED, AppointmentStatus.NOSHOW}:
        assert not NEXT[status]
