"""Who is registered: keyed hashes of identifiers, so that one person has one record and the table tells no number."""

from collections.abc import Sequence

from kernel.database import Transaction

ENTER = """
insert into patients.identity (system, hash, patient)
select * from unnest($1::text[], $2::bytea[], $3::text[]) as given (system, hash, patient)
order by system, hash on conflict do nothing
"""
TAKEN = """
select true from patients.identity i
join unnest($1::text[], $2::bytea[], $3::text[]) as given (system, hash, patient) using (system, hash)
where i.patient <> given.patient limit 1
"""

Identity = tuple[str, bytes, str]
"""System of an identifier, keyed hash of its value, id of the patient."""


async def enter_identities(tx: Transaction, identities: Sequence[Identity]) -> bool:
    """Enter identifiers; False when one of them is another patient's. Waits for a twin that is under way."""
    columns = [list(column) for column in zip(*identities, strict=True)]
    await tx.raw.execute(ENTER, *columns)
    return not await tx.raw.fetchval(TAKEN, *columns)
