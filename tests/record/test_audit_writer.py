import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernel.clock import FixedClock
from kernel.ids import RandomIds
from kernel.settings import Settings
from record.audit import AuditAway, AuditEntry, AuditWriter, verify_chain
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ENTRY = AuditEntry("a", "patient", "Patient/p", "R", "read", "Patient", "Patient/p", 1, "p", "0", "request-1", None)


async def test_one_bad_access_does_not_take_the_others_along(migrated: Settings) -> None:
    """An access that cannot be recorded is refused; nothing to record costs nothing; the next ones are recorded."""
    clock = FixedClock(NOW)
    async with database_of("patients", migrated, size=1) as database:
        writer = AuditWriter(database, clock, RandomIds(clock))
        running = asyncio.create_task(writer.run())
        await writer.seen()
        with pytest.raises(AuditAway):
            await writer.seen(replace(ENTRY, entity="Patient/\0"))
        await asyncio.gather(*(writer.seen(replace(ENTRY, request=f"writer-test-{n}")) for n in range(20)))
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    async with database_of("patients", migrated, size=1) as database, database.reading() as tx:
        rows = await tx.raw.fetch("select writer from record.audit where request like 'writer-test-%'")
        assert len(rows) == 20
        assert await verify_chain(tx, rows[0]["writer"]) == 20
