"""The private tables are what the code believes they are, and belong to the pharmacy alone."""

import asyncpg
import pytest

from kernel.settings import Settings
from services.pharmacy.store import metadata
from tests.support.postgres import connect_as


async def test_tables_and_statements_agree(migrated: Settings) -> None:
    """Every column the statements name exists, and no column exists that they do not know."""
    raw = await connect_as("pharmacy", migrated)
    try:
        for table in metadata.sorted_tables:
            rows = await raw.fetch(
                "select column_name from information_schema.columns"
                " where table_schema = 'pharmacy' and table_name = $1",
                table.name,
            )
            assert {row["column_name"] for row in rows} == {column.name for column in table.columns}, table.name
    finally:
        await raw.close()


@pytest.mark.parametrize("role", ["appointments", "consult", "patients", "identity", "gateway"])
@pytest.mark.parametrize("table", ["prescription", "orders", "fill", "decision", "idempotency"])
async def test_no_other_room_reads_them(migrated: Settings, role: str, table: str) -> None:
    """Another room's role is told so loudly."""
    raw = await connect_as(role, migrated)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.fetch(f"select * from pharmacy.{table}")  # noqa: S608 - fixed names
    finally:
        await raw.close()


async def test_decisions_are_only_ever_added(migrated: Settings) -> None:
    """Not even the pharmacy itself changes a decision once it is noted."""
    raw = await connect_as("pharmacy", migrated)
    try:
        for statement in ("update pharmacy.decision set outcome = 'pass'", "delete from pharmacy.decision"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await raw.execute(statement)
    finally:
        await raw.close()
