"""Steps of an order for the tests, and how it stands afterwards."""

from typing import Any

import orjson

from kernel.settings import Settings
from record import read, write
from record.failures import ResourceUnknown
from record.stored import Stored
from record.validation import checking as validation
from record.visible import Everything, SharedWith
from services.pharmacy import cancelling, closing, expiring, store
from tests.pharmacy.hospital import CODE_KEY, Hospital, encounter
from tests.support.postgres import database_of


async def business(hospital: Hospital, task: str) -> tuple[str, str, int]:
    """Status, business status and version of the Task, which must tell the same story as the private row."""
    async with hospital.database.reading() as tx:
        order = await store.order(tx, task)
        stored = await read.read(tx, "Task", task, visible=Everything())
    resource = stored.resource
    state = resource["businessStatus"]["coding"][0]["code"]
    assert (state, stored.version, resource["owner"]["reference"]) == (order.state, order.version, order.owner)
    validation.check(stored.body, type="Task")
    return resource["status"], state, stored.version


async def statuses(hospital: Hospital) -> list[str]:
    """Statuses of all MedicationRequests of the patient, in alphabetical order."""
    async with hospital.database.reading() as tx:
        rows = await tx.raw.fetch(
            "select body from record.medicationrequest where patient = $1", hospital.named("patient")
        )
    return sorted(orjson.loads(row["body"])["status"] for row in rows)


async def close(hospital: Hospital, task: str, *, secret: str, pharmacy: str = "corner") -> None:
    """The pharmacy closes the order."""
    async with hospital.database.transaction() as tx:
        by, now = hospital.pharmacist(pharmacy), hospital.clock.now()
        await closing.close(tx, task, secret=secret, by=by, key=CODE_KEY, now=now)


async def cancel(hospital: Hospital, task: str, *, doctor: str = "doctor") -> None:
    """A doctor withdraws the prescription."""
    async with hospital.database.transaction() as tx:
        by, now = hospital.doctor(doctor), hospital.clock.now()
        await cancelling.cancel(tx, task, reason="过敏", by=by, now=now)


async def expire(hospital: Hospital) -> int:
    """The job looks for orders whose time is over."""
    async with hospital.database.transaction() as tx:
        return await expiring.expire_due(tx, ids=hospital.ids, now=hospital.clock.now())


async def released(hospital: Hospital, *medicines: str) -> tuple[str, str]:
    """An approved order for which the corner pharmacy was chosen: Task id and pick-up code."""
    signed = await hospital.submitted(*medicines)
    await hospital.review(signed.task.id)
    return signed.task.id, await hospital.choose(signed.task.id)


async def visit_becomes(hospital: Hospital, settings: Settings, **changes: Any) -> None:
    """The consult room changes the visit."""
    async with database_of("consult", settings, size=1) as consult, consult.transaction() as tx:
        body = encounter(hospital, **changes)
        await write.update(tx, body, id=hospital.named("visit"), now=hospital.clock.now(), expected=None)


async def seen(hospital: Hospital, party: str, *resources: Stored) -> list[bool]:
    """Whether an organization sees each of these."""
    visible = SharedWith(hospital.ref("Organization", party))
    found = []
    async with hospital.database.reading() as tx:
        for one in resources:
            try:
                await read.read(tx, one.type, one.id, visible=visible)
                found.append(True)
            except ResourceUnknown:
                found.append(False)
    return found
