"""Who has a patient in care, and what was shown to whom: the grounds on which staff see a record."""

from collections.abc import Iterable
from datetime import datetime

from kernel.database import Transaction

ENTRUST = "insert into record.care (clinic, patient, since) values ($1, $2, $3) on conflict do nothing"
SHARE = """
insert into record.reach (party, type, id) select $1, t, i from unnest($2::text[], $3::text[]) as s(t, i)
on conflict do nothing
"""


async def entrust(tx: Transaction, *, clinic: str, patient: str, now: datetime) -> None:
    """From now on the practitioners of this clinic see this patient's record.

    `clinic` is a reference such as `HealthcareService/cardiology`, `patient` an id.
    """
    await tx.raw.execute(ENTRUST, clinic, patient, now)


async def share(tx: Transaction, *, party: str, resources: Iterable[tuple[str, str]]) -> None:
    """Show these resources (type, id) to an organization, such as `Organization/pharmacy-1`."""
    pairs = list(resources)
    await tx.raw.execute(SHARE, party, [type_ for type_, _ in pairs], [id_ for _, id_ in pairs])
