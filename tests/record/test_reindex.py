"""Index rows follow the definition of the search parameters, and an older record becomes today's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from kernel.database import Raw
from kernel.settings import Settings
from record import reindex
from record.index.parameters import SEARCHES
from record.ownership import types
from record.schema import ddl
from record.search.searching import search
from record.visible import Everything
from record.write import create, create_many
from tests.support.postgres import connect_as, database_of
from yuzhen.migrate import index, owner_url

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
async def owner(record: Settings) -> AsyncIterator[Raw]:
    """The role that owns the tables; index rows are those of today when a test begins."""
    await index(owner_url(record))
    connection = await connect_as("yuzhen_owner", record)
    yield connection
    await connection.close()


def pressure(n: int) -> dict[str, Any]:
    """A blood pressure, which has rows of every kind."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9", "display": f"Pressure {n}"}]},
        "subject": {"reference": "Patient/reindex"},
        "effectiveDateTime": "2026-11-25T08:00:00+08:00",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": 100 + n, "unit": "mmHg"},
            }
        ],
    }


async def _rows(owner: Raw, like: str) -> dict[str, list[tuple[Any, ...]]]:
    """All index rows of resources with such ids."""
    tables = {"observation": "keys, present, lo, hi", "timeline": "*", "word": "*", "number": "*", "moment": "*"}
    return {
        table: sorted((tuple(sorted(v) if isinstance(v, list) else v for v in row) for row in found), key=repr)
        for table, columns in tables.items()
        for found in [await owner.fetch(f"select {columns}, id from record.{table} where id like $1", like)]  # noqa: S608
    }


async def test_a_changed_definition_makes_its_rows_anew(record: Settings, owner: Raw) -> None:
    """After the definition changed, rows that were stale, missing or left over are exactly what a write would make."""
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        await create_many(tx, [(f"anew-{n}", pressure(n)) for n in range(7)], now=NOW)
    right = await _rows(owner, "anew-%")
    assert all(right[table] for table in ("observation", "timeline", "word", "number"))
    await owner.execute("delete from record.number where id = 'anew-1'")
    await owner.execute("update record.word set place = 7 where id = 'anew-2'")
    await owner.execute("update record.observation set keys = keys[1:4], present = '{}' where id = 'anew-3'")
    await index(owner_url(record))
    assert await _rows(owner, "anew-%") != right
    with mock.patch.object(reindex, "EDITION", 2), mock.patch.object(reindex, "AT_ONCE", 3):
        await index(owner_url(record))
        assert await reindex.unfinished(owner) == []
    assert await _rows(owner, "anew-%") == right


async def test_work_that_died_goes_on_where_it_stood(record: Settings, owner: Raw) -> None:
    """A batch that is done stays done; what is unfinished is named with the id it had reached."""
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        await create_many(tx, [(f"died-{n}", pressure(n)) for n in range(5)], now=NOW)
    rules = types()["Observation"]
    with mock.patch.object(reindex, "EDITION", 3), mock.patch.object(reindex, "AT_ONCE", 2):
        reached = await reindex.go_on(owner, rules, "died-")
        assert reached == "died-1"
        assert (rules, "died-1") in await reindex.unfinished(owner)
        with mock.patch.object(reindex, "EDITION", 4):
            assert (rules, "") in await reindex.unfinished(owner)


def test_every_part_of_a_definition_counts() -> None:
    """A type's digest changes with its paths, its kinds of rows and its main date, and with nothing of another type."""
    usual = {type_: reindex.digest(type_) for type_ in types()}
    assert len(set(usual.values())) == len(usual)
    with mock.patch.dict("record.reindex.SEARCHES", {"Slot": SEARCHES["Schedule"]}):
        assert {type_ for type_ in types() if reindex.digest(type_) != usual[type_]} == {"Slot"}


async def test_the_schema_may_be_made_again(owner: Raw) -> None:
    """What makes the record's tables runs again on a record that has them, and mends a wall that was broken."""
    await owner.execute('grant delete on record.slot to "consult"; drop policy own on record.observation')
    await owner.execute(ddl())
    assert not await owner.fetchval("select has_table_privilege('consult', 'record.slot', 'delete')")
    assert await owner.fetchval("select true from pg_policies where tablename = 'observation' and policyname = 'own'")


async def test_a_record_of_before_becomes_todays(record: Settings, owner: Raw) -> None:
    """A record whose words and dates named parameters, and which lacked types, is found by today's searches."""
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        patient = {"resourceType": "Patient", "name": [{"text": "Old Record"}]}
        await create(tx, patient, id="before", now=NOW)
    migration = import_module("record.migrations.pre_0002_every_type")
    async with owner.transaction():
        await owner.execute(BEFORE)
        await owner.execute(migration.OLDER + ddl())
        await owner.execute("delete from record.indexed")
        for rules, begun in await reindex.unfinished(owner):
            after: str | None = begun
            while after is not None:
                after = await reindex.go_on(owner, rules, after)
    async with database_of("patients", record, size=1) as database, database.transaction() as tx:
        page = await search(tx, "Patient", [("name", "old rec")], visible=Everything(), now=NOW)
    assert [one.id for one in page.entries] == ["before"]


BEFORE = """
drop table record.word, record.moment, record.number, record.endpoint, record.claim;
create table record.word (
  type text collate "C" not null, param int not null, value text collate "C" not null,
  written text collate "C" not null, id text collate "C" not null);
create index on record.word (type, param, value, id);
create index on record.word (type, id);
create index on record.word using gin (value gin_trgm_ops) with (fastupdate = off);
create table record.moment (
  type text collate "C" not null, param int not null, lo timestamptz not null, hi timestamptz not null,
  id text collate "C" not null);
insert into record.word values ('Patient', 1, 'old record', 'Old Record', 'before');
"""
