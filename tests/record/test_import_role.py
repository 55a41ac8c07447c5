"""The role that writes another system's finished history down: who may take it, and what it reaches."""

import asyncpg
import pytest

from kernel.settings import Settings
from record.ownership import home, partitioned, rooms
from record.schema import GUESTS, IMPORT
from tests.record.test_walls import VERBS
from tests.support.postgres import connect_as

ROLES = (*rooms(), *GUESTS, "gateway")


@pytest.mark.parametrize("role", ROLES)
async def test_one_room_may_take_the_role(record: Settings, role: str) -> None:
    """The room of the patients takes it by name and has nothing of it otherwise; nobody else can."""
    connection = await connect_as(role, record)
    try:
        can = "select pg_has_role(current_user, $1, 'member'), pg_has_role(current_user, $1, 'usage')"
        assert tuple(await connection.fetchrow(can, IMPORT) or ()) == (role == home(), False)
        if role != home():
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"set role {IMPORT}")
    finally:
        await connection.close()


async def test_the_role_writes_history_and_nothing_else(record: Settings) -> None:
    """It adds and replaces every type that can be imported, deletes nothing, and tells no room of it."""
    connection = await connect_as(home(), record)
    try:
        await connection.execute(f"set role {IMPORT}")
        for rules in partitioned():
            changes = rules.imported and not rules.append_only
            expected = {"insert": rules.imported, "update": changes, "lock": changes, "share lock": changes}
            for verb, statement in VERBS.items():
                done = await _done(connection, statement.format(table=rules.partition, type=rules.type))
                assert done is expected.get(verb, False), (rules.type, verb)
        for table in ("record.care", "record.reach"):
            can = "select has_table_privilege(current_user, $1, 'insert, update, delete')"
            assert not await connection.fetchval(can, table)
        schemas = "select count(*) from pg_namespace where nspname = any($1) and has_schema_privilege(oid, 'usage')"
        assert await connection.fetchval(schemas, ["flow", *rooms(), *GUESTS]) == 0
    finally:
        await connection.close()


async def _done(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> bool:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
        return True
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await transaction.rollback()
