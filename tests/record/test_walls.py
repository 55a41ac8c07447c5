"""Who may write what is a grant of the database, and a wrong room hears of it."""

from collections.abc import Mapping

import asyncpg
import pytest

from kernel.settings import Settings
from record.ownership import partitioned, rooms, types
from record.schema import AUDIT_WRITERS, CARE_WRITERS, GUESTS, REACH_WRITERS, writers_of
from tests.support.postgres import connect_as

# ruff: noqa: S608 - the statements are made of declared table names
VERBS: Mapping[str, str] = {
    "insert": (
        "insert into {table} (type, id, version, updated_at, keys, present, lo, hi, body)"
        " values ('{type}', 'wall', 1, now(), '{{}}', '{{}}', now(), now(), '')"
    ),
    "update": "update {table} set version = 9 where id = 'wall'",
    "delete": "delete from {table} where id = 'wall'",
    "lock": "select 1 from {table} where id = 'wall' for update",
    "share lock": "select 1 from {table} where id = 'wall' for key share",
    "truncate": "truncate {table}",
}


async def _refused(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> bool:
    """Whether the database refuses the statement with SQLSTATE 42501; what it does is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
        return False
    except asyncpg.PostgresError as error:
        return error.sqlstate == "42501"
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("role", [*rooms(), *GUESTS, "gateway"])
async def test_a_room_writes_its_own_and_the_shared_types_alone(record: Settings, role: str) -> None:
    """For every type, each verb is allowed or refused exactly as resources.toml says; nothing is ever deleted."""
    connection = await connect_as(role, record)
    try:
        for rules in partitioned():
            mine = role in writers_of(rules)
            changes = mine and not rules.append_only
            expected = {"insert": mine, "update": changes, "lock": changes, "share lock": changes}
            for verb, statement in VERBS.items():
                refused = await _refused(connection, statement.format(table=rules.partition, type=rules.type))
                assert refused is not expected.get(verb, False), (role, rules.type, verb)
    finally:
        await connection.close()


async def test_nobody_writes_through_the_parent_table(record: Settings) -> None:
    """The table over all types takes no write and no read: there a forbidden update would pass in silence."""
    for role in (*rooms(), *GUESTS, "gateway"):
        connection = await connect_as(role, record)
        try:
            for statement in VERBS.values():
                assert await _refused(connection, statement.format(table="record.resource", type="Slot"))
            assert await _refused(connection, "select 1 from record.resource")
        finally:
            await connection.close()


@pytest.mark.parametrize("table", ["past", "timeline", "word", "number", "moment"])
async def test_side_rows_of_foreign_types_cannot_be_added(record: Settings, table: str) -> None:
    """An index row or an old version of another room's type is refused."""
    columns = {
        "past": "(type, id, version, updated_at, deleted, body) values ('{}', 'w', 1, now(), false, '')",
        "timeline": "(type, key, lo, id) values ('{}', 1, now(), 'w')",
        "word": "(type, place, value, written, id) values ('{}', 1, 'a', 'a', 'w')",
        "number": "(type, place, lo, hi, id) values ('{}', 1, 1, 1, 'w')",
        "moment": "(type, place, lo, hi, id) values ('{}', 1, now(), now(), 'w')",
    }
    connection = await connect_as("appointments", record)
    try:
        for rules in partitioned():
            statement = f"insert into record.{table} {columns[table].format(rules.type)}"
            assert await _refused(connection, statement) is ("appointments" not in writers_of(rules)), rules.type
        assert await _refused(connection, f"update record.{table} set id = 'x'")
    finally:
        await connection.close()


async def test_care_reach_and_audit_have_their_own_writers(record: Settings) -> None:
    """Care, sharing and audit are only ever added to, each by the rooms that answer for it."""
    added = {
        "care": ("(clinic, patient, since) values ('c', 'w', now())", CARE_WRITERS),
        "reach": ("(party, type, id) values ('p', 'Task', 'w')", REACH_WRITERS),
        "audit": (
            "(id, at, writer, batch, n, prev, hash, account, role, fhir_user, action, interaction, type, entity,"
            " outcome, request) values ('w', now(), 'w', 0, 0, '', '', '', '', '', '', '', '', '', '', '')",
            (*rooms(), *AUDIT_WRITERS),
        ),
    }
    for role in (*rooms(), *GUESTS, "gateway"):
        connection = await connect_as(role, record)
        try:
            for table, (row, writers) in added.items():
                assert await _refused(connection, f"insert into record.{table} {row}") is (role not in writers)
                assert await _refused(connection, f"delete from record.{table}")
                assert await _refused(connection, f"update record.{table} set {row[1:].split(',')[0]} = 'x'")
        finally:
            await connection.close()


async def test_only_the_owner_of_audit_events_reads_them(record: Settings) -> None:
    """The gateway reads nothing of the record; no room but AuditEvent's owner reads the audit."""
    for role in (*rooms(), *GUESTS, "gateway"):
        connection = await connect_as(role, record)
        try:
            refused = await _refused(connection, "select 1 from record.audit")
            assert refused is (role != types()["AuditEvent"].owner)
            assert await _refused(connection, "select 1 from record.slot") is (role == "gateway")
        finally:
            await connection.close()
