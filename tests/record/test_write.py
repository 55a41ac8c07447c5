"""Writing, versions and exact bytes on a real PostgreSQL."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from kernel.database import Database, Transaction
from kernel.settings import Settings
from record.compartment import patient_of
from record.failures import IdTaken, PatientFixed, PatientMissing, ResourceDeleted, ResourceUnknown, VersionStale
from record.ownership import KEPT_APART, types
from record.read import history, read, read_many, vread
from record.visible import Everything
from record.write import create, create_many, delete, update
from tests.record.official import examples, type_of
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, 8, 0, 0, 123456, tzinfo=UTC)
ALL = Everything()


def slot(status: str = "free", **more: Any) -> dict[str, Any]:
    """A slot."""
    times = {"start": "2026-11-25T08:00:00+08:00", "end": "2026-11-25T08:15:00+08:00"}
    return {"resourceType": "Slot", "schedule": {"reference": "Schedule/w"}, "status": status, **times, **more}


async def _timeline(tx: Transaction, id_: str) -> list[tuple[int, datetime]]:
    rows = await tx.raw.fetch("select key, lo from record.timeline where id = $1 order by key", id_)
    return [(row["key"], row["lo"]) for row in rows]


async def test_every_official_example_comes_out_as_it_went_in(record: Settings) -> None:
    """Each official example is kept and given back with every decimal textually equal, id and meta apart."""
    by_room: dict[str, list[bytes]] = {}
    for body in examples().values():
        if type_of(body) not in KEPT_APART:
            by_room.setdefault(types()[type_of(body)].owner, []).append(body)
    for room, bodies in by_room.items():
        async with database_of(room, record, size=1) as database, database.transaction() as tx:
            for n, body in enumerate(bodies):
                given = None if patient_of(orjson.loads(body) | {"id": f"official-{n}"}) else "official"
                kept = await create(tx, body, id=f"official-{n}", now=NOW, patient=given)
                found = await read(tx, kept.type, kept.id, visible=ALL)
                assert found == kept
                assert _decimals(found.body) == _decimals(body)
                assert _without_stamp(found.body) == _without_stamp(body)


def _decimals(body: bytes) -> dict[str, Any]:
    """The resource with every number as its own text."""
    read: dict[str, Any] = json.loads(body, parse_float=lambda text: f"decimal {text}", parse_int=lambda t: f"int {t}")
    return {name: value for name, value in read.items() if name not in {"id", "meta"}}


def _without_stamp(body: bytes) -> dict[str, Any]:
    return {name: value for name, value in orjson.loads(body).items() if name not in {"id", "meta"}}


async def test_a_resource_goes_through_its_versions(tx: Transaction) -> None:
    """Create, update and delete are versions 1, 2 and 3; the old ones stay readable, the last says it is gone."""
    await create(tx, slot(), id="way", now=NOW)
    second = await update(tx, slot("busy"), id="way", now=NOW + timedelta(seconds=1), expected=1)
    assert (second.version, second.etag) == (2, 'W/"2"')
    await delete(tx, "Slot", "way", now=NOW + timedelta(seconds=2), expected=2)
    versions = await history(tx, "Slot", "way", visible=ALL)
    assert [(v.version, v.deleted) for v in versions] == [(3, True), (2, False), (1, False)]
    assert (await vread(tx, "Slot", "way", 1, visible=ALL)).resource["status"] == "free"
    with pytest.raises(ResourceDeleted):
        await read(tx, "Slot", "way", visible=ALL)
    with pytest.raises(ResourceDeleted):
        await update(tx, slot(), id="way", now=NOW, expected=None)
    assert await read_many(tx, "Slot", ["way"], visible=ALL) == []
    assert await _timeline(tx, "way") == []


async def test_a_stale_update_changes_nothing(tx: Transaction) -> None:
    """An update that expects another version than the one in force is refused, and leaves no trace."""
    await create(tx, slot(), id="stale", now=NOW)
    for expected in (0, 2):
        with pytest.raises(VersionStale):
            await update(tx, slot("busy"), id="stale", now=NOW, expected=expected)
    assert len(await history(tx, "Slot", "stale", visible=ALL)) == 1
    with pytest.raises(ResourceUnknown):
        await update(tx, slot(), id="never-was", now=NOW, expected=None)


async def test_an_id_is_given_once(appointments: Database) -> None:
    """A second create with an id that is taken is a conflict."""
    async with appointments.transaction() as tx:
        await create(tx, slot(), id="once", now=NOW)
    with pytest.raises(IdTaken):
        async with appointments.transaction() as tx:
            await create(tx, slot(), id="once", now=NOW)
    with pytest.raises(IdTaken):
        async with appointments.transaction() as tx:
            await create_many(tx, [("many", slot()), ("once", slot())], now=NOW)


async def test_of_many_updates_of_one_version_one_wins(appointments: Database) -> None:
    """Sixteen callers update version 1 at once: one makes version 2, the others are told they are stale."""
    async with appointments.transaction() as tx:
        await create(tx, slot(), id="race", now=NOW)

    async def one() -> str:
        try:
            async with appointments.transaction() as tx:
                await update(tx, slot("busy"), id="race", now=NOW, expected=1)
            return "won"
        except VersionStale:
            return "stale"

    assert sorted(await asyncio.gather(*(one() for _ in range(16)))) == ["stale"] * 15 + ["won"]


async def test_index_rows_follow_the_version_in_force(tx: Transaction) -> None:
    """After any update the timeline holds the anchors of the new version alone, whether its date moved or not."""
    await create(tx, slot(), id="follow", now=NOW)
    free = await _timeline(tx, "follow")
    await update(tx, slot("busy"), id="follow", now=NOW, expected=None)
    busy = await _timeline(tx, "follow")
    assert len(free) == len(busy) == 2
    assert len(set(free) & set(busy)) == 1
    await update(tx, slot("busy", start="2026-11-26T08:00:00+08:00"), id="follow", now=NOW, expected=None)
    moved = await _timeline(tx, "follow")
    assert [key for key, _ in moved] == [key for key, _ in busy]
    assert {lo for _, lo in moved} == {datetime(2026, 11, 26, tzinfo=UTC)}


async def test_an_undated_resource_keeps_its_anchors_through_updates(record: Settings) -> None:
    """A condition without a date stays findable in its patient's timeline, however often it is updated."""
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/undated"}}
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        await create(tx, condition, id="undated", now=NOW)
        before = await _timeline(tx, "undated")
        await update(tx, {**condition, "code": {"text": "x"}}, id="undated", now=NOW, expected=None)
        assert before
        assert await _timeline(tx, "undated") == before


async def test_a_resource_of_the_compartment_has_one_patient_for_good(record: Settings) -> None:
    """One that names nobody belongs to nobody, one that names another than is given is refused, and none moves."""
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/one"}}
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        assert (await create(tx, {"resourceType": "Condition"}, id="nobodys", now=NOW)).patient is None
        assert (await update(tx, condition, id="nobodys", now=NOW, expected=1)).patient == "one"
        with pytest.raises(PatientMissing):
            await create(tx, condition, id="x", now=NOW, patient="two")
        kept = await create(tx, condition, id="fixed", now=NOW)
        assert kept.patient == "one"
        with pytest.raises(PatientFixed):
            await update(tx, {**condition, "subject": {"reference": "Patient/two"}}, id="fixed", now=NOW, expected=None)


async def test_many_are_entered_as_one_by_one(tx: Transaction) -> None:
    """Entering many at once leaves the same rows as entering each alone."""
    entered = await create_many(tx, [(f"bulk-{n}", slot()) for n in range(50)], now=NOW)
    alone = await create(tx, slot(), id="alone", now=NOW)
    columns = "select version, updated_at, deleted, patient, keys, present, lo, hi from record.slot where id = $1"
    expected = await tx.raw.fetchrow(columns, alone.id)
    for one in entered:
        assert await tx.raw.fetchrow(columns, one.id) == expected
        assert len(await _timeline(tx, one.id)) == 2


def pulse(rate: int, name: str) -> dict[str, Any]:
    """An observation with rows in every side table but `moment`."""
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": name}]}
    return {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/side"},
        "code": code,
        "valueQuantity": {"value": rate, "unit": "beats/minute"},
    }


async def _side_rows(tx: Transaction, id_: str) -> dict[str, list[tuple[Any, ...]]]:
    columns = {"timeline": "key, lo", "word": "place, value", "number": "place, code, lo", "moment": "place, lo"}
    asked = {table: f"select {of} from record.{table} where id = $1 order by 1, 2" for table, of in columns.items()}  # noqa: S608
    return {table: [tuple(row) for row in await tx.raw.fetch(select, id_)] for table, select in asked.items()}


async def test_every_side_row_follows_the_version_in_force(record: Settings) -> None:
    """One by one or many at once, side rows are those of the version in force; a deleted resource has none."""
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        await create(tx, pulse(60, "Pulse"), id="side", now=NOW)
        await create_many(tx, [("side-many", pulse(60, "Pulse"))], now=NOW)
        first = await _side_rows(tx, "side")
        assert [len(rows) for rows in first.values()] == [5, 1, 1, 0]
        assert await _side_rows(tx, "side-many") == first
        await update(tx, pulse(90, "Heart rate"), id="side", now=NOW, expected=1)
        after = await _side_rows(tx, "side")
        assert after["timeline"] == first["timeline"]
        assert [str(row[2]) for row in after["number"]] == ["90"]
        assert [row[1] for row in after["word"]] == ["heart rate"]
        await delete(tx, "Observation", "side", now=NOW, expected=2)
        assert not any((await _side_rows(tx, "side")).values())


async def test_an_exact_decimal_is_indexed_exactly(record: Settings) -> None:
    """A measured value of more digits than a float holds is found by all of them."""
    exact = "0.12345678901234567890123"
    body = f'{{"resourceType":"Observation","valueQuantity":{{"value":{exact}}}}}'.encode()
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        await create(tx, body, id="exact", now=NOW)
        assert str(await tx.raw.fetchval("select lo from record.number where id = 'exact'")) == exact


async def test_time_never_runs_backwards_in_a_history(tx: Transaction) -> None:
    """A later version is never dated before an earlier one, even if a clock was set back between."""
    await create(tx, slot(), id="back", now=NOW)
    await update(tx, slot("busy"), id="back", now=NOW - timedelta(hours=1), expected=1)
    last, first = await history(tx, "Slot", "back", visible=ALL)
    assert last.updated_at >= first.updated_at
    assert last.resource["meta"]["lastUpdated"] == "2026-11-25T08:00:00.123Z"
