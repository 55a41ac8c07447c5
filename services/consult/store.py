"""The consult room's own question to the database: one visit, one change at a time."""

from kernel.database import Transaction


async def lock_visit(tx: Transaction, encounter: str) -> None:
    """Let one change at a time be made to a visit, even before its Encounter exists, until the transaction ends."""
    await tx.raw.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"encounter:{encounter}")
