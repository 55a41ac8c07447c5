"""Random searches against a plain reading of FHIR's rules in Python."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.database import Database, Transaction
from kernel.settings import Settings
from record.index import dates
from record.search.searching import search
from record.visible import Everything, OfClinics, OnlyPatient, Visible
from record.write import create, create_many, update
from tests.record.plain_reading import matches
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
DAY = datetime(2026, 11, 20, tzinfo=UTC)
PEOPLE = ["Patient/agree-0", "Patient/agree-1", "Patient/agree-2"]
DOCTORS = ["Practitioner/agree-a", "Practitioner/agree-b"]
STATUSES = ["booked", "arrived", "cancelled", "proposed"]
CODES: list[dict[str, str]] = [{"system": "s1", "code": "x"}, {"system": "s2", "code": "x"}, {"code": "y"}]
NAMES = ["张伟", "张伟强", "José Müller", "jose muller", "Ann_1 100%", "ANNA"]
DATES = ["2026-11-20", "2026-11-20T08:00:00Z", "2026-11-21T08:00:00+08:00", "2026-11", "2026-11-22T00:00:00.5Z"]

Asked = Sequence[tuple[str, str]]
Examples = dict[str, dict[str, Any]]


def appointments(chance: random.Random) -> Examples:
    """Appointments over a week with few values, so that random searches hit some and miss some."""
    made: Examples = {}
    for n in range(160):
        one: dict[str, Any] = {
            "resourceType": "Appointment",
            "status": chance.choice(STATUSES),
            "participant": [
                {"actor": {"reference": chance.choice(PEOPLE)}, "status": "accepted"},
                {"actor": {"reference": chance.choice(DOCTORS)}, "status": "accepted"},
            ],
        }
        if chance.random() < 0.8:
            one["start"] = (DAY + timedelta(hours=chance.randrange(96))).isoformat()
        if chance.random() < 0.7:
            one["serviceType"] = [{"coding": chance.sample(CODES, k=chance.randint(1, 2))}]
        made[f"agree-{n}"] = one
    return made


def patients(chance: random.Random) -> Examples:
    """Patients with confusable names."""
    return {
        f"agree-p{n}": {
            "resourceType": "Patient",
            **({"name": [{"text": chance.choice(NAMES)}]} if chance.random() < 0.9 else {}),
            **(
                {"birthDate": f"19{chance.randrange(60, 64)}-0{chance.randrange(1, 4)}-11"}
                if chance.random() < 0.9
                else {}
            ),
            "gender": chance.choice(["female", "male"]),
        }
        for n in range(80)
    }


APPOINTMENTS, PATIENTS = appointments(random.Random(1)), patients(random.Random(2))  # noqa: S311 - examples, no secrets


@pytest.fixture
async def ready(record: Settings) -> None:
    """The examples, entered once; every third appointment by way of an update."""
    async with database_of("appointments", record, size=1) as database, database.transaction() as tx:
        if not await tx.raw.fetchval("select true from record.appointment where id = 'agree-0'"):
            await create_many(tx, [(i, a) for i, a in APPOINTMENTS.items() if hash_of(i) % 3], now=NOW)
            for id_, appointment in APPOINTMENTS.items():
                if not hash_of(id_) % 3:
                    await _roundabout(tx, id_, appointment)
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        if not await tx.raw.fetchval("select true from record.patient where id = 'agree-p0'"):
            await create_many(tx, PATIENTS.items(), now=NOW)


def hash_of(id_: str) -> int:
    """The number in an example's id."""
    return int("".join(letter for letter in id_ if letter.isdigit()))


async def _roundabout(tx: Transaction, id_: str, appointment: dict[str, Any]) -> None:
    before = {**appointment, "status": "waitlist", "start": "2020-01-01T00:00:00Z", "serviceType": [{"coding": CODES}]}
    await create(tx, before, id=id_, now=NOW)
    await update(tx, appointment, id=id_, now=NOW, expected=1)


def _listed(values: Sequence[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2).map(",".join)


def _asks(name: str, values: Sequence[str], *modifiers: str) -> st.SearchStrategy[tuple[str, str]]:
    names = st.sampled_from([name, *(f"{name}:{modifier}" for modifier in modifiers)])
    missing = st.tuples(st.just(f"{name}:missing"), st.sampled_from(["true", "false"]))
    return st.one_of(st.tuples(names, _listed(values)), st.tuples(names, _listed(values)), missing)


PREFIXED = [prefix + day for prefix in ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb") for day in DATES]
BORN = [prefix + day for prefix in ("", "ne", "gt", "le") for day in ("1961", "1962-02", "1961-01-11")]
OF_APPOINTMENT = st.one_of(
    _asks("patient", [*PEOPLE, "agree-1", "Patient/none"]),
    _asks("practitioner", [*DOCTORS, "agree-a"]),
    _asks("actor", [*PEOPLE, *DOCTORS, "agree-0"]),
    _asks("status", [*STATUSES, "noshow", "|booked", "other|booked"], "not"),
    _asks("service-type", ["x", "s1|x", "s2|x", "|y", "y", "s1|", "s3|"], "not"),
    _asks("date", PREFIXED),
)
OF_PATIENT = st.one_of(
    _asks("name", ["张", "jose", "José Müller", "ann", "_1", "100%", "_", "伟", "Ａnn"], "exact", "contains"),
    _asks("gender", ["female", "male", "x|male"], "not"),
    _asks("birthdate", BORN),
)
SORTS: st.SearchStrategy[str] = st.sampled_from(["", "", "-"])
VIEWS: dict[str, Visible] = {
    "all": Everything(),
    "own": OnlyPatient("agree-1"),
    "none": OfClinics(("HealthcareService/x",)),
}
RANDOM = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def walked(tx: Transaction, type_: str, asked: Asked, visible: Visible) -> list[str]:
    """All ids a search brings, page after page."""
    found: list[str] = []
    after = None
    while True:
        page = await search(tx, type_, [*asked, ("_count", "37")], visible=visible, now=NOW, after=after)
        found += [one.id for one in page.entries]
        after = page.next
        if after is None:
            return found


def _expected(examples: Examples, asked: Asked) -> set[str]:
    return {id_ for id_, one in examples.items() if all(matches(one, name, value) for name, value in asked)}


def _ordered(examples: Examples, ids: set[str], date: str, sign: str) -> list[str]:
    def place(id_: str) -> tuple[datetime, str]:
        written = examples[id_].get(date)
        never = dates.BEGINNING if sign else dates.END
        return (dates.read(written).lo if written else never, id_)

    return sorted(ids, key=place, reverse=sign == "-")


@pytest.mark.usefixtures("ready")
@RANDOM
@given(asked=st.lists(OF_APPOINTMENT, max_size=3), sign=SORTS, view=st.sampled_from(sorted(VIEWS)))
async def test_random_searches_of_appointments_agree(
    appointments: Database, asked: list[tuple[str, str]], sign: str, view: str
) -> None:
    """Whatever is asked, by whichever route, the pages together hold what FHIR's rules say, once each, in order."""
    ours = {id_: one for id_, one in APPOINTMENTS.items() if view != "own" or PEOPLE[1] in str(one)}
    expected = set() if view == "none" else _expected(ours, asked)
    async with appointments.reading() as tx:
        found = await walked(tx, "Appointment", [*asked, ("_sort", f"{sign}date")], VIEWS[view])
    assert [id_ for id_ in found if id_ in APPOINTMENTS] == _ordered(APPOINTMENTS, expected, "start", sign)


@pytest.mark.usefixtures("ready")
@RANDOM
@given(asked=st.lists(OF_PATIENT, max_size=3), sign=SORTS)
async def test_random_searches_of_patients_agree(patients: Database, asked: list[tuple[str, str]], sign: str) -> None:
    """Names by their beginning, their part and their exact text, and birth dates, match as FHIR's rules say."""
    async with patients.reading() as tx:
        found = await walked(tx, "Patient", [*asked, ("_sort", f"{sign}birthdate")], Everything())
    expected = _ordered(PATIENTS, _expected(PATIENTS, asked), "birthDate", sign)
    assert [id_ for id_ in found if id_ in PATIENTS] == expected


@pytest.mark.usefixtures("ready")
async def test_a_total_counts_all_pages(appointments: Database) -> None:
    """The accurate total is the number of matches over all pages, and needs no page at all with _count=0."""
    asked = [("patient", PEOPLE[0])]
    async with appointments.reading() as tx:
        everything = await walked(tx, "Appointment", asked, Everything())
        first = await search(
            tx, "Appointment", [*asked, ("_total", "accurate"), ("_count", "3")], visible=Everything(), now=NOW
        )
        none = await search(tx, "Appointment", [*asked, ("_count", "0")], visible=Everything(), now=NOW)
    assert first.total == none.total == len(everything)
    assert len(first.entries) == 3
    assert none.entries == []


@pytest.mark.usefixtures("ready")
async def test_pages_hold_still_while_others_write(appointments: Database) -> None:
    """What is entered behind the reader's place does not move anything on the next page."""
    asked = [("practitioner", "Practitioner/still")]

    def one(hour: int) -> dict[str, Any]:
        who = [{"actor": {"reference": name}, "status": "accepted"} for name in ("Patient/still", "Practitioner/still")]
        return {
            "resourceType": "Appointment",
            "status": "booked",
            "start": f"2026-11-25T{hour:02d}:00:00Z",
            "participant": who,
        }

    async with appointments.transaction() as tx:
        await create_many(tx, [(f"still-{hour}", one(hour)) for hour in (2, 4, 6)], now=NOW)
        first = await search(tx, "Appointment", [*asked, ("_count", "2")], visible=Everything(), now=NOW)
        await create(tx, one(1), id="still-1", now=NOW)
        second = await search(
            tx, "Appointment", [*asked, ("_count", "2")], visible=Everything(), now=NOW, after=first.next
        )
    assert [entry.id for entry in first.entries] == ["still-2", "still-4"]
    assert [entry.id for entry in second.entries] == ["still-6"]


@pytest.mark.usefixtures("ready")
async def test_includes_come_once_and_never_repeat_a_match(record: Settings) -> None:
    """What two matches point at comes along once; what points at a match comes with it."""
    async with database_of("appointments", record, size=1) as database, database.transaction() as tx:
        slot = {"resourceType": "Slot", "schedule": {"reference": "Schedule/inc"}, "status": "busy"}
        await create(tx, {**slot, "start": "2026-11-25T08:00:00Z", "end": "2026-11-25T08:15:00Z"}, id="inc", now=NOW)
        booked = {"resourceType": "Appointment", "status": "proposed", "slot": [{"reference": "Slot/inc"}]}
        who = [{"actor": {"reference": "Patient/inc"}, "status": "accepted"}]
        for n in (1, 2):
            await create(tx, {**booked, "participant": who}, id=f"inc-{n}", now=NOW)
        page = await search(
            tx, "Appointment", [("slot", "Slot/inc"), ("_include", "Appointment:slot")], visible=Everything(), now=NOW
        )
        assert [one.reference for one in page.entries] == ["Appointment/inc-1", "Appointment/inc-2"]
        assert [one.reference for one in page.includes] == ["Slot/inc"]
        page = await search(
            tx, "Slot", [("_id", "inc"), ("_revinclude", "Appointment:slot")], visible=Everything(), now=NOW
        )
        assert [one.reference for one in page.includes] == ["Appointment/inc-1", "Appointment/inc-2"]


@pytest.mark.usefixtures("ready")
async def test_every_prefix_agrees_at_every_precision(record: Settings) -> None:
    """Each prefix before a year's, a month's, a day's, a second's date finds what it says, at the very edges too."""
    edges = [
        *PREFIXED,
        *(p + (DAY + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%SZ") for p in ("lt", "sa", "eb", "le")),
    ]
    async with database_of("appointments", record, size=1) as database, database.reading() as tx:
        for value in edges:
            found = await walked(tx, "Appointment", [("date", value)], Everything())
            assert {i for i in found if i in APPOINTMENTS} == _expected(APPOINTMENTS, [("date", value)]), value
    async with database_of("patients", record, size=1) as database, database.reading() as tx:
        for value in BORN:
            found = await walked(tx, "Patient", [("birthdate", value)], Everything())
            assert {i for i in found if i in PATIENTS} == _expected(PATIENTS, [("birthdate", value)]), value
