"""Who asks and what for: tokens of the demonstration city's people, and many free times of 32 of its doctors."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.settings import Settings
from record import write
from services.appointments import fhir, store
from services.appointments.appointment import Visit
from services.appointments.diary import Opening
from services.identity.app import load_key
from tests.bench.town import NO_TOWN, Town
from yuzhen.demo_city.accounts import Account, AccountRole, accounts

DOCTORS = 32
AHEAD = timedelta(days=2)
LENGTH = timedelta(minutes=15)
BATCH = 500


class NoTimesLeft(Exception):
    """The load booked faster than the benchmark had free times for."""


@dataclass(slots=True)
class City:
    """The people of the benchmark, signed in, and the free times they have not asked for yet."""

    settings: Settings
    patients: list[Principal]
    doctors: list[Principal]
    system: Principal
    tokens: dict[str, str]
    free: list[str] = field(default_factory=list)
    entered: int = 0
    town: Town = NO_TOWN
    """What was filled in beside the demonstration city."""

    def token(self, by: Principal) -> str:
        """Somebody's access token."""
        return self.tokens[by.account]

    def next_time(self) -> str:
        """A free time nobody asked for before. Raises NoTimesLeft."""
        if not self.free:
            raise NoTimesLeft
        return self.free.pop()

    async def open_times(self, count: int, *, doctors: int = DOCTORS) -> list[str]:
        """Enter free times of the first doctors, in turn, as the appointments room does it itself."""
        now = SystemClock().now()
        slots = [self._opening(self.entered + n, doctors, now) for n in range(count)]
        self.entered += count
        database = Database(self.settings.database_url("appointments"), room="appointments", size=1)
        for first in range(0, count, BATCH):
            batch = slots[first : first + BATCH]
            bodies = [(one.slot, orjson.dumps(fhir.slot(one, service_type=[], specialty=[]))) for one in batch]
            async with database.transaction() as tx:
                await store.put_slots(tx, batch)
                await write.create_many(tx, bodies, now=now)
        await database.close()
        return [one.slot for one in slots]

    def schedule(self, n: int) -> str:
        """Id of a doctor's schedule."""
        return f"schedule-{self.doctors[n].fhir_user.partition('/')[2]}"

    def _opening(self, n: int, doctors: int, now: datetime) -> Opening:
        start = (now + AHEAD).replace(minute=0, second=0, microsecond=0) + LENGTH * (n // doctors)
        return Opening(f"slot-bench-{n}", self.schedule(n % doctors), start, start + LENGTH, Visit.VIDEO, 1)


def city(settings: Settings) -> City:
    """The demonstration city's people, signed in for the coming hours, and one system."""
    expires_at = SystemClock().now() + timedelta(hours=6)
    everyone = list(_people(expires_at))
    system = Principal("bench", Role.SYSTEM, "", (), "", "token-bench", expires_at)
    key = load_key(settings)
    tokens = {
        by.account: issue(by, key=key, issuer=settings.issuer, issued_at=SystemClock().now())
        for by in (*everyone, system)
    }
    return City(
        settings=settings,
        patients=[by for by in everyone if by.role is Role.PATIENT],
        doctors=[by for by in everyone if by.role is Role.PRACTITIONER][:DOCTORS],
        system=system,
        tokens=tokens,
    )


def _people(expires_at: datetime) -> Iterator[Principal]:
    for one in accounts():
        if one.role in {AccountRole.PATIENT, AccountRole.PRACTITIONER}:
            yield _principal(one, expires_at)


def _principal(one: Account, expires_at: datetime) -> Principal:
    clinics = tuple(f"HealthcareService/{clinic}" for clinic in one.clinics)
    organization = f"Organization/{one.organization}" if one.organization else ""
    return Principal(
        one.login, Role(one.role), one.reference or "", clinics, organization, f"token-{one.login}", expires_at
    )
