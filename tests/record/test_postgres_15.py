"""The oldest PostgreSQL that is supported runs the same record."""

import asyncio

import pytest

from kernel.settings import Settings
from tests.record.plans import check_plans
from tests.support.postgres import connect_as, debian_postgres
from tests.support.record import migrated_record


@pytest.mark.skipif(debian_postgres() is None, reason="Debian's PostgreSQL 15 is not installed on this machine")
def test_the_record_migrates_and_searches_on_postgresql_15(monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL 15 the migrations run, and every kind of search keeps its index."""
    monkeypatch.setenv("YUZHEN_TEST_POSTGRES", str(debian_postgres()))
    with migrated_record() as settings:
        assert asyncio.run(_version(settings)).startswith("15.")
        assert asyncio.run(check_plans(settings, rows=8000)) == []


async def _version(settings: Settings) -> str:
    owner = await connect_as("yuzhen_owner", settings)
    try:
        return str(await owner.fetchval("show server_version"))
    finally:
        await owner.close()
