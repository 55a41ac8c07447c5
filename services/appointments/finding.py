"""Free times that fit what a patient looks for (IHE ITI-115)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kernel.database import Transaction
from record.search import search
from record.visible import DirectoryOnly
from services.appointments import store
from services.appointments.appointment import Place, Visit

MOST = 500
MOST_CLINICS = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; kinds combine as AND, values of one kind as OR."""

    start: datetime
    end: datetime
    practitioners: Sequence[str] = ()
    organizations: Sequence[str] = ()
    services: Sequence[str] = ()
    locations: Sequence[str] = ()
    specialties: Sequence[str] = ()
    districts: Sequence[str] = ()
    visit: Visit | None = None
    count: int = 50


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


def as_query(wish: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Values of one kind, given as repeats or as a list with commas, taken apart."""
    return {name: [part for value in values for part in value.split(",") if part] for name, values in wish.items()}
