"""A migrated record alone, without the rooms' private tables: what the record's own tests stand on."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel.migration import upgrade
from kernel.settings import Settings
from tests.support.postgres import running_postgres
from yuzhen import secret
from yuzhen.migrate import _roles_and_schemas, owner_url
from yuzhen.rooms import ROOT


async def migrate_record(settings: Settings) -> None:
    """Roles, schemas and the record's tables."""
    await _roles_and_schemas(settings)
    await upgrade(owner_url(settings), folder=ROOT / "kernel" / "migrations", schema="flow")
    await upgrade(owner_url(settings), folder=ROOT / "record" / "migrations", schema="record")


@contextmanager
def migrated_record() -> Iterator[Settings]:
    """Settings of a fresh record."""
    with tempfile.TemporaryDirectory(prefix="yz-") as folder:
        settings = Settings(state_folder=folder, log_level="WARNING")
        for name in ("page-cursor-key", "audit-query-key"):
            secret.ensure(settings.secrets, name)
        with running_postgres(settings, log=Path(folder) / "postgres.log"):
            asyncio.run(migrate_record(settings))
            yield settings
