"""Pages of a search while others write."""

import asyncio
import random
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from kernel.database import Database, Transaction
from kernel.settings import Settings
from record.care import entrust
from record.failures import PageUnreadable
from record.search.cursor import Cursors, Sought
from record.search.pages import Position
from record.search.searching import search
from record.visible import OfClinics
from record.write import create, create_many, delete, update
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
CLINIC = "HealthcareService/walked"
SEEN = OfClinics((CLINIC,))
STILL = [f"walked-still-{n}" for n in range(70)]
MOVED = [f"walked-moved-{n}" for n in range(40)]
ORDERS = (
    "birthdate",
    "-birthdate",
    "_lastUpdated",
    "-_id",
    "name",
    "-name",
    "gender,-name",
    "-death-date,birthdate",
    "-organization,name,_id",
)
NARROWED: tuple[list[tuple[str, str]], ...] = ([], [("identifier", "urn:walked|")])


def person(chance: random.Random) -> dict[str, Any]:
    """A patient with few values of each kind, some of them missing."""
    told = {
        "name": [{"text": chance.choice("一二三四五")}],
        "birthDate": f"19{chance.randrange(60, 64)}-01-01",
        "gender": chance.choice(["male", "female"]),
        "deceasedDateTime": f"20{chance.randrange(10, 14)}",
        "managingOrganization": {"reference": f"Organization/{chance.choice('ab')}"},
    }
    kept = {name: value for name, value in told.items() if chance.random() < 0.75}
    return {"resourceType": "Patient", "identifier": [{"system": "urn:walked", "value": "1"}], **kept}


@pytest.fixture
async def crowd(record: Settings) -> None:
    """Patients of one clinic, some of whom will stay as they are."""
    chance = random.Random(1)  # noqa: S311 - examples, no secrets
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        if not await tx.raw.fetchval("select true from record.patient where id = $1", STILL[0]):
            await create_many(tx, [(id_, person(chance)) for id_ in [*STILL, *MOVED]], now=NOW)
    async with database_of("consult", record, size=1) as database, database.transaction() as tx:
        for id_ in [*STILL, *MOVED, *(f"walked-new-{n}" for n in range(2000))]:
            await entrust(tx, clinic=CLINIC, patient=id_, now=NOW)


async def keep_writing(database: Database, stop: asyncio.Event) -> int:
    """Change, delete and enter patients until told to stop."""
    chance, fresh, moved = random.Random(2), count(), list(MOVED)  # noqa: S311 - examples, no secrets
    for written in count():
        if stop.is_set():
            return written
        async with database.transaction() as tx:
            id_ = chance.choice(moved)
            match chance.randrange(4):
                case 0 if len(moved) > 20:
                    moved.remove(id_)
                    await delete(tx, "Patient", id_, now=NOW, expected=None)
                case 1:
                    moved.append(f"walked-new-{next(fresh)}")
                    await create(tx, person(chance), id=moved[-1], now=NOW)
                case _:
                    await update(tx, person(chance), id=id_, now=NOW, expected=None)
    raise AssertionError


async def walked(tx: Transaction, asked: list[tuple[str, str]]) -> list[str]:
    """All ids a search brings, page after page."""
    found: list[str] = []
    after = None
    while True:
        page = await search(tx, "Patient", [*asked, ("_count", "7")], visible=SEEN, now=NOW, after=after)
        found += [one.id for one in page.entries]
        after = page.next
        await asyncio.sleep(0)
        if after is None:
            return found


@pytest.mark.usefixtures("crowd")
async def test_who_is_not_touched_is_seen_once_whatever_others_write(record: Settings) -> None:
    """In every order, while others are changed, deleted and entered between the pages and during them, each patient
    who stays as they are comes exactly once and in their place."""
    stop = asyncio.Event()
    async with database_of("patients", record, size=2) as database, database.reading() as tx:
        quiet = {order: await walked(tx, [*NARROWED[1], ("_sort", order)]) for order in ORDERS}
        writing = asyncio.create_task(keep_writing(database, stop))
        for order in ORDERS:
            for asked in NARROWED:
                found = await walked(tx, [*asked, ("_sort", order)])
                expected = [id_ for id_ in quiet[order] if id_ in STILL]
                assert [id_ for id_ in found if id_ in STILL] == expected, (order, asked)
                assert len(expected) == len(STILL)
        stop.set()
        assert await writing > len(ORDERS)


PLACES = [
    Position((NOW,), "a"),
    Position((None, "张,|", Decimal("1.50"), datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)), "b"),
    Position((Decimal("-1E+3"), None, ""), "c"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_link_keeps_the_place_to_the_letter(place: Position) -> None:
    """Whatever a search is in order of, the sealed link gives back its place, to its own account and type alone."""
    cursors, sought = Cursors("secret"), Sought((("name", "张"), ("_sort", "name")), place, lenient=True)
    sealed = cursors.seal(sought, place="Patient", account="ann")
    assert cursors.open(sealed, place="Patient", account="ann") == sought
    assert "Patient" not in sealed
    for other in (("Patient", "bob"), ("Observation", "ann")):
        with pytest.raises(PageUnreadable):
            cursors.open(sealed, place=other[0], account=other[1])
