"""A small clinic for the tests: one doctor's schedule with slots of the test's own choosing."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from kernel.auth.principal import Principal, Role
from kernel.clock import FixedClock
from kernel.database import Database
from kernel.settings import Settings
from record import write
from services.appointments import fhir, keeping, policy, store
from services.appointments.appointment import Visit
from services.appointments.diary import Opening
from tests.support.postgres import database_of

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
_numbers = itertools.count(1)


class Clinic:
    """One doctor, one clinic, and as many patients as needed; every clinic has ids of its own."""

    def __init__(self, database: Database, patients: Database) -> None:
        self.database = database
        self._patients = patients
        self.name = f"clinic{next(_numbers)}"
        self.schedule = f"schedule-{self.name}"
        self.clock = FixedClock(NOW)

    @property
    def doctor(self) -> Principal:
        """The clinic's doctor."""
        return principal(Role.PRACTITIONER, f"Practitioner/{self.name}", clinics=(f"HealthcareService/{self.name}",))

    async def open(self) -> None:
        """Enter clinic, doctor and schedule."""
        body = {
            "resourceType": "Schedule",
            "actor": [
                {"reference": f"Practitioner/{self.name}", "display": "Dr Test"},
                {"reference": f"HealthcareService/{self.name}", "display": "Clinic"},
                {"reference": f"Location/{self.name}"},
            ],
        }
        service = {
            "resourceType": "HealthcareService",
            "providedBy": {"reference": "Organization/test-hospital"},
        }
        async with self.database.transaction() as tx:
            await write.create(tx, service, id=self.name, now=NOW)
            await keeping.keep_schedule(tx, self.schedule, body)
            await write.create(tx, body, id=self.schedule, now=NOW)

    async def slot(self, *, after: timedelta = timedelta(minutes=30), capacity: int = 1) -> str:
        """A free video slot of half an hour."""
        start = NOW + after
        id_ = f"slot-{self.name}-{next(_numbers)}"
        opening = Opening(id_, self.schedule, start, start + timedelta(minutes=30), Visit.VIDEO, capacity)
        async with self.database.transaction() as tx:
            await store.put_slots(tx, [opening])
            await write.create(tx, fhir.slot(opening, service_type=[], specialty=[]), id=id_, now=NOW)
        return id_

    async def patient(self, *, identified: bool = True) -> Principal:
        """A patient with an identity number, signed in."""
        id_ = f"patient-{self.name}-{next(_numbers)}"
        body = {"resourceType": "Patient", "name": [{"text": "Test"}]}
        if identified:
            body["identifier"] = [{"system": policy.IDENTITY_NUMBER, "value": id_}]
        async with self._patients.transaction() as tx:
            await write.create(tx, body, id=id_, now=NOW)
        return principal(Role.PATIENT, f"Patient/{id_}")


def principal(role: Role, reference: str, *, clinics: tuple[str, ...] = ()) -> Principal:
    """Somebody signed in."""
    return Principal(
        account=reference.partition("/")[2],
        role=role,
        fhir_user=reference,
        clinics=clinics,
        organization="",
        token_id="test",
        expires_at=NOW + timedelta(hours=1),
    )


@pytest.fixture
async def clinic(migrated: Settings) -> AsyncIterator[Clinic]:
    """A clinic nobody else uses."""
    async with database_of("appointments", migrated, size=16) as own, database_of("patients", migrated) as patients:
        one = Clinic(own, patients)
        await one.open()
        yield one
