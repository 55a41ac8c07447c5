"""What all tests share: one migrated record per test process."""

from collections.abc import Iterator

import pytest

from kernel.settings import Settings
from tests.support.postgres import migrated_postgres


@pytest.fixture(scope="session")
def migrated() -> Iterator[Settings]:
    """Settings of a real, migrated PostgreSQL; tests keep apart by their own ids."""
    with migrated_postgres() as settings:
        yield settings
