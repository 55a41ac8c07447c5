"""Free times that fit what a patient looks for (IHE ITI-115)."""

from collections.abc import Sequence
from datetime import datetime

from kernel.database import Transaction
from record.search.searching import search
from record.visible import DirectoryOnly
from services.appointments import store
from services.appointments.appointment import Place
from services.appointments.wish import Wish

MOST = 500
MOST_CLINICS = 200


async def find(tx: Transaction, wish: Wish, *, now: datetime) -> list[Place]:
    """Free places in order of time; held and full ones are never among them."""
    organizations = await _within(tx, "Organization", "district", wish.districts, wish.organizations, now=now)
    services = await _within(tx, "HealthcareService", "specialty", wish.specialties, wish.services, now=now)
    if organizations == [] or services == []:
        return []
    return await store.free_places(
        tx,
        start=max(wish.start, now),
        end=wish.end,
        practitioners=list(wish.practitioners) or None,
        organizations=organizations,
        services=services,
        locations=list(wish.locations) or None,
        visit=wish.visit.value if wish.visit else None,
        at_most=min(wish.count, MOST),
    )


async def _within(
    tx: Transaction, type_: str, parameter: str, values: Sequence[str], named: Sequence[str], *, now: datetime
) -> list[str] | None:
    """References of a kind that fit both a search and those named; None when anything fits."""
    if not values:
        return list(named) or None
    query = [(parameter, ",".join(values)), ("_count", str(MOST_CLINICS))]
    page = await search(tx, type_, query, visible=DirectoryOnly(), now=now)
    found = [f"{type_}/{entry.id}" for entry in page.entries]
    return [one for one in found if one in named] if named else found
