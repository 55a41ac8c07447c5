"""A crowd of resources to search among: slots, appointments and observations of many patients."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.database import Database, Transaction
from record.write import create_many

DAY = datetime(2026, 11, 25, tzinfo=UTC)
DOCTORS = 60
STATUSES = ("booked", "arrived", "fulfilled", "cancelled", "noshow")
BATCH = 5000


def slots(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Slots of sixty doctors, quarter by quarter, three in four free."""
    for n in range(count):
        start = DAY + timedelta(minutes=15 * (n // DOCTORS))
        yield (
            f"crowd-slot-{n}",
            {
                "resourceType": "Slot",
                "schedule": {"reference": f"Schedule/crowd-{n % DOCTORS}"},
                "status": "free" if n % 4 else "busy",
                "start": start.isoformat(),
                "end": (start + timedelta(minutes=15)).isoformat(),
            },
        )


def appointments(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Appointments of a tenth as many patients with sixty doctors."""
    for n in range(count):
        start = DAY + timedelta(minutes=7 * (n // DOCTORS))
        people = [f"Patient/crowd-{n % max(1, count // 10)}", f"Practitioner/crowd-{n % DOCTORS}"]
        yield (
            f"crowd-app-{n}",
            {
                "resourceType": "Appointment",
                "status": STATUSES[n % len(STATUSES)],
                "identifier": [{"system": "urn:crowd", "value": str(n)}],
                "slot": [{"reference": f"Slot/crowd-slot-{n}"}],
                "start": start.isoformat(),
                "end": (start + timedelta(minutes=7)).isoformat(),
                "participant": [{"actor": {"reference": person}, "status": "accepted"} for person in people],
            },
        )


def people(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Patients with names and numbers."""
    for n in range(count):
        yield (
            f"crowd-{n}",
            {
                "resourceType": "Patient",
                "name": [{"text": f"{'张王李赵陈'[n % 5]}{'伟芳娜敏静丽强磊军洋'[n % 10]}{n}"}],
                "identifier": [{"system": "urn:crowd:id", "value": f"id-{n}"}],
                "birthDate": f"{1940 + n % 80}-{n % 12 + 1:02d}-15",
                "gender": "female" if n % 2 else "male",
                "deceasedDateTime": f"{2000 + n % 25}-{n % 12 + 1:02d}-15",
            },
        )


def observations(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Heart rates and blood pressures of a tenth as many patients."""
    for n in range(count):
        of = f"Patient/crowd-{n % max(1, count // 10)}"
        pulse = {"valueQuantity": _quantity(40 + n % 160, "/min")} | coded("8867-4")
        pressure = coded("85354-9") | {
            "component": [
                coded("8480-6") | {"valueQuantity": _quantity(90 + n % 110, "mm[Hg]")},
                coded("8462-4") | {"valueQuantity": _quantity(50 + n % 60, "mm[Hg]")},
            ]
        }
        yield (
            f"crowd-obs-{n}",
            {
                "resourceType": "Observation",
                "status": "final",
                "subject": {"reference": of},
                "effectiveDateTime": (DAY + timedelta(minutes=n)).isoformat(),
                **(pulse if n % 2 else pressure),
            },
        )


def coded(code: str) -> dict[str, Any]:
    """A LOINC code as an element."""
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}}


def _quantity(value: int, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


async def enter(database: Database, made: Iterator[tuple[str, dict[str, Any]]]) -> None:
    """Enter a crowd, batch by batch."""
    batch: list[tuple[str, dict[str, Any]]] = []
    for one in made:
        batch.append(one)
        if len(batch) == BATCH:
            await _entered(database, batch)
            batch = []
    await _entered(database, batch)


async def _entered(database: Database, batch: list[tuple[str, dict[str, Any]]]) -> None:
    async with database.transaction() as tx:
        await create_many(tx, batch, now=DAY)


async def plan(tx: Transaction, statement: str, arguments: list[object]) -> str:
    """How PostgreSQL would run a statement."""
    rows = await tx.raw.fetch(f"explain (costs off) {statement}", *arguments)
    return "\n".join(row[0] for row in rows)
