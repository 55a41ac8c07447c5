import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernel.settings import Settings, SettingWrong
from record import write
from services.identity import store
from services.identity.account import Account
from tests.support.postgres import database_of, migrated_postgres
from yuzhen.production import refuse_demo_in_production
from yuzhen.seed import MARK
from yuzhen.token import TokenRefused, token

NOW = datetime(2026, 11, 25, tzinfo=UTC)


async def fill_with_demo(settings: Settings) -> None:
    """The least that makes a record a demo's."""
    (settings.secrets / "demo-password").write_text("x")
    async with database_of("identity", settings) as database, database.transaction() as tx:
        await store.put_account(tx, Account(MARK, "", "admin", "", (), "", ""))
    async with database_of("pharmacy", settings) as database, database.transaction() as tx:
        medicine = {"resourceType": "Medication", "meta": {"tag": [{"code": "unreviewed-demo"}]}}
        await write.create(tx, medicine, id="unreviewed-medicine", now=NOW)


def test_production_refuses_what_belongs_to_a_demo() -> None:
    """A clean record may go into production; demo secrets, people and medicines are each named and refused."""

    async def walk(settings: Settings) -> None:
        production = replace(settings, mode="production")
        await refuse_demo_in_production(production)
        await fill_with_demo(settings)
        with pytest.raises(SettingWrong, match=r"demo password.*Demo accounts.*not reviewed"):
            await refuse_demo_in_production(production)
        await refuse_demo_in_production(settings)
        with pytest.raises(TokenRefused, match="demo mode only"):
            await token(production, MARK)

    with migrated_postgres() as settings:
        asyncio.run(walk(settings))
