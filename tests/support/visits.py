"""A booked visit with its people, as appointments and patients would have left it in the record."""

import base64
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.ids import CountedIds
from kernel.settings import Settings
from record import care, read, write
from record.canonical import ACT_CODE, ICD_10, code_system
from record.stored import Stored
from record.visible import Everything
from services.consult import arriving, confirming, visiting
from services.consult.encounter import Call, Visit, encounter_of
from tests.support.postgres import database_of
from tests.support.rooms import principal

NOW = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
"""09:30 on the hospital's wall clock, a Wednesday."""

_count = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Booked:
    """A booked visit: ids of resources, references of actors."""

    appointment: str
    patient: str
    practitioner: str
    service: str
    organization: str
    location: str
    visit: Visit
    document: str | None

    @property
    def encounter(self) -> str:
        return encounter_of(self.appointment)

    @property
    def person(self) -> Principal:
        return principal(Role.PATIENT, f"Patient/{self.patient}")

    @property
    def doctor(self) -> Principal:
        return principal(Role.PRACTITIONER, self.practitioner, clinics=(self.service,), organization=self.organization)

    @property
    def colleague(self) -> Principal:
        """Another doctor of the same clinic."""
        return principal(
            Role.PRACTITIONER, f"{self.practitioner}-b", clinics=(self.service,), organization=self.organization
        )

    @property
    def stranger(self) -> Principal:
        return principal(Role.PATIENT, f"Patient/{self.patient}-other")

    @property
    def call(self) -> Call:
        return Call(
            appointment=self.appointment,
            patient=self.patient,
            practitioner=self.practitioner,
            service=self.service,
            organization=self.organization,
            location=self.location,
            visit=self.visit,
        )


async def booked(
    settings: Settings, *, visit: Visit = Visit.VIDEO, diagnosis: str | None = "I10", status: str = "booked"
) -> Booked:
    """A visit booked with an earlier record of this diagnosis (None: without one)."""
    name = f"{os.getpid()}-{next(_count)}"
    document = f"document-{name}" if diagnosis else None
    one = Booked(
        appointment=f"appointment-{name}",
        patient=f"patient-{name}",
        practitioner=f"Practitioner/doctor-{name}",
        service=f"HealthcareService/clinic-{name}",
        organization="Organization/hospital-1",
        location="Location/room-1",
        visit=visit,
        document=document,
    )
    async with transaction("patients", settings) as tx:
        await write.create(tx, {"resourceType": "Patient", "birthDate": "1962-05-17"}, id=one.patient, now=NOW)
        if document and diagnosis:
            await write.create(tx, prior_record(one.patient, diagnosis), id=document, now=NOW)
    async with transaction("appointments", settings) as tx:
        await care.entrust(tx, clinic=one.service, patient=one.patient, now=NOW)
        await write.create(tx, appointment_resource(one, status=status), id=one.appointment, now=NOW)
    return one


def appointment_resource(one: Booked, *, status: str = "booked") -> dict[str, Any]:
    """The visit as appointments writes it."""
    actors = [
        {"reference": f"Patient/{one.patient}"},
        {"reference": one.practitioner, "display": "何医生"},
        {"reference": one.service, "display": "心血管内科"},
        {"reference": one.location},
    ]
    body: dict[str, Any] = {
        "resourceType": "Appointment",
        "status": status,
        "serviceType": [{"coding": [{"system": ACT_CODE, "code": one.visit.value}]}],
        "start": NOW.isoformat(),
        "end": (NOW + timedelta(minutes=15)).isoformat(),
        "participant": [{"actor": actor, "status": "accepted"} for actor in actors],
    }
    return (
        {**body, "supportingInformation": [{"reference": f"DocumentReference/{one.document}"}]}
        if one.document
        else body
    )


def prior_record(patient: str, diagnosis: str | None, *, content: bytes = "门诊病历".encode()) -> dict[str, Any]:
    """A document of an earlier visit."""
    body: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "status": "current",
        "category": [{"coding": [{"system": code_system("document-category"), "code": "prior-visit"}]}],
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(content).decode()}}],
    }
    return {**body, "context": {"event": [{"coding": [{"system": ICD_10, "code": diagnosis}]}]}} if diagnosis else body


@asynccontextmanager
async def transaction(room: str, settings: Settings) -> AsyncIterator[Transaction]:
    """One transaction under a room's role."""
    async with database_of(room, settings, size=1) as database, database.transaction() as tx:
        yield tx


async def called(settings: Settings, **booking: Any) -> Booked:
    """A booked visit whose patient has just been called."""
    one = await booked(settings, **booking)
    async with transaction("consult", settings) as tx:
        await arriving.called(tx, one.call, now=NOW)
    return one


async def under_way(settings: Settings, **booking: Any) -> Booked:
    """A visit that its doctor has begun."""
    one = await called(settings, **booking)
    async with transaction("consult", settings) as tx:
        encounter = await read.read(tx, "Encounter", one.encounter, visible=Everything())
        await visiting.begin(tx, encounter, ids=CountedIds(f"begun-{one.appointment}"), now=NOW)
    return one


async def judged(settings: Settings, judgement: bool, **booking: Any) -> Booked:
    """A visit under way whose doctor has said whether it is a follow-up."""
    one = await under_way(settings, **booking)
    async with transaction("consult", settings) as tx:
        await confirming.confirm_follow_up(tx, one.encounter, judgement=judgement, by=one.doctor, now=NOW)
    return one


async def encounter_of_visit(settings: Settings, one: Booked) -> Stored:
    """The visit's encounter as it stands."""
    async with transaction("consult", settings) as tx:
        return await read.read(tx, "Encounter", one.encounter, visible=Everything())


async def still_to_hear(tx: Transaction, kind: str, encounter: str) -> int:
    """How many facts of this kind about an encounter the transaction's own room has not carried off yet."""
    query = f"select count(*) from flow.delivery_{tx.room} where kind = $1 and position($2::bytea in body) > 0"  # noqa: S608
    return int(await tx.raw.fetchval(query, kind, encounter.encode()))
