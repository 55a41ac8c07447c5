"""One record for all of the record's tests; tests keep apart by their own ids."""

from collections.abc import AsyncIterator, Iterator

import pytest

from kernel.database import Database, Transaction
from kernel.settings import Settings
from tests.support.postgres import database_of
from tests.support.record import migrated_record


@pytest.fixture(scope="session")
def record() -> Iterator[Settings]:
    """Settings of a migrated record without the rooms' private tables."""
    with migrated_record() as settings:
        yield settings


@pytest.fixture
async def appointments(record: Settings) -> AsyncIterator[Database]:
    """The record as the appointments room reaches it."""
    async with database_of("appointments", record) as database:
        yield database


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[Database]:
    """The record as the patients room reaches it."""
    async with database_of("patients", record) as database:
        yield database


@pytest.fixture
async def tx(appointments: Database) -> AsyncIterator[Transaction]:
    """A transaction of the appointments room."""
    async with appointments.transaction() as transaction:
        yield transaction
