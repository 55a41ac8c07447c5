"""Fill an empty record with the demonstration city, and keep the diary's fortnight open. Runs again without effect."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

import msgspec

from kernel.clock import SystemClock, local
from kernel.database import Database, Transaction
from kernel.settings import Settings
from record import read, write
from record.visible import Everything
from services.appointments import keeping, opening, store
from services.appointments.appointment import Visit
from services.appointments.diary import Pattern
from services.identity import store as identity_store
from services.identity.account import Account
from services.identity.signing_in import HASHER
from services.patients import registering
from services.pharmacy.formulary import medicines
from services.pharmacy.formulary.fhir import medication_resource
from yuzhen import secret
from yuzhen.demo_city import accounts, city, rota
from yuzhen.demo_city.staff import Doctor, doctors

MARK = "admin"
ACCOUNTS_FILE = "demo-accounts.txt"
_JSON = msgspec.json.Encoder(decimal_format="number")


async def seed(settings: Settings) -> None:
    """Demo data when the mode is demo and nothing is there yet; the days open for booking in any mode."""
    now = SystemClock(settings.offset).now()
    if settings.demo and not await _seeded(settings):
        await _directory(settings, now=now)
        await asyncio.gather(_people(settings, now=now), _medicines(settings, now=now))
        await _accounts(settings)
    await open_days(settings, now=now)


async def open_days(settings: Settings, *, now: datetime) -> None:
    """Open every day of the coming fortnight that is not open yet, one transaction a day."""
    async with _database("appointments", settings) as database:
        while True:
            async with database.transaction() as tx:
                day = await opening.next_unopened_day(tx, now=now)
                if day is None:
                    await opening.move_horizons(tx, now=now)
                    return
                await opening.open_day(tx, day, now=now)


async def _seeded(settings: Settings) -> bool:
    async with _database("identity", settings) as database, database.reading() as tx:
        return await identity_store.account(tx, MARK) is not None


async def _directory(settings: Settings, *, now: datetime) -> None:
    """Hospitals, departments, staff and their schedules."""
    async with _database("appointments", settings) as database, database.transaction() as tx:
        if await _there(tx, "Organization", "hospital-1"):
            return
        await _enter(tx, city.directory(), now=now)
        for doctor in doctors():
            schedule = rota.schedule_resource(doctor, local(now).date(), opening.HORIZON_DAYS)
            await keeping.keep_schedule(tx, str(schedule["id"]), dict(schedule))
            await write.create(tx, schedule, id=str(schedule["id"]), now=now)
        await store.put_patterns(tx, (p for doctor in doctors() for p in patterns(doctor)))


async def _people(settings: Settings, *, now: datetime) -> None:
    """Patients and what is known of them; each is already in the care of the clinic that saw them before."""
    async with _database("patients", settings) as database, database.transaction() as tx:
        if await _there(tx, "Patient", "patient-001"):
            return
        people = list(city.people(local(now).date()))
        await _enter(tx, people, now=now)
        patients = [(str(one["id"]), one) for one in people if one["resourceType"] == "Patient"]
        await registering.enter_identities(tx, patients, key=settings.secret("identity-number-key"))


async def _medicines(settings: Settings, *, now: datetime) -> None:
    async with _database("pharmacy", settings) as database, database.transaction() as tx:
        if not await _there(tx, "Medication", next(iter(medicines.load()))):
            await _enter(tx, (medication_resource(one) for one in medicines.load().values()), now=now)


async def _accounts(settings: Settings) -> None:
    """Accounts with one password of chance for this installation, written to a file only the owner reads."""
    password = secret.ensure(settings.secrets, "demo-password", lambda: secrets.token_urlsafe(9))
    hashed = HASHER.hash(password)
    everyone = sorted(accounts.accounts(), key=lambda one: one.login == MARK)
    lines = [f"All demo accounts have the password: {password}\n\n"]
    async with _database("identity", settings) as database, database.transaction() as tx:
        for one in everyone:
            await identity_store.put_account(tx, _account(one, hashed))
            lines.append(f"{one.login:<16} {one.role:<13} {one.display}\n")
    path = settings.state / ACCOUNTS_FILE
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(lines)


def _account(one: accounts.Account, password_hash: str) -> Account:
    return Account(
        login=one.login,
        password_hash=password_hash,
        role=str(one.role),
        fhir_user=one.reference or "",
        clinics=tuple(f"HealthcareService/{clinic}" for clinic in one.clinics),
        organization=f"Organization/{one.organization}" if one.organization else "",
        display=one.display,
    )


def patterns(doctor: Doctor) -> Iterator[Pattern]:
    """The doctor's rota as patterns that repeat: every 4 days in the clinic that never closes, else every week."""
    cycle = 4 if doctor.department.is_always_open else 7
    for ordinal in range(cycle * 1000, cycle * 1001):
        day = date.fromordinal(ordinal)
        for session in rota.sessions(doctor, day):
            yield Pattern(
                schedule=f"schedule-{doctor.id}",
                cycle_days=cycle,
                day_of_cycle=ordinal % cycle,
                begins=session.begins,
                slots=session.slots,
                minutes=session.minutes,
                visit=Visit(session.visit.value),
                capacity=1,
            )


async def _there(tx: Transaction, type_: str, id_: str) -> bool:
    return bool(await read.read_many(tx, type_, [id_], visible=Everything()))


async def _enter(tx: Transaction, resources: Iterable[Any], *, now: datetime) -> None:
    pairs = [(str(one["id"]), _JSON.encode(one)) for one in resources]
    await write.create_many(tx, pairs, now=now)


@asynccontextmanager
async def _database(room: str, settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url(room), room=room, size=2)
    try:
        yield database
    finally:
        await database.close()
