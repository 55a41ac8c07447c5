"""A changing interaction under way: who asks for what, what became of it, and the rules every step keeps."""

from dataclasses import dataclass
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.service import Room
from record.audit import AuditEntry, written
from record.compartment import patient_of
from record.failures import PatientFixed, PatientMissing
from record.interactions.cases import Cases
from record.interactions.interaction import Interaction
from record.ownership import types
from record.permission import permit
from record.stored import Stored
from record.visible import visible_to


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of an interaction: the version it made or found, None where nothing was there to delete."""

    stored: Stored | None
    status: int


@dataclass(frozen=True, slots=True)
class Asking:
    """An interaction with everything it is judged by."""

    tx: Transaction
    asked: Interaction
    by: Principal
    room: Room
    cases: Cases
    id: str | None
    within: bool

    @property
    def type(self) -> str:
        return self.asked.type


async def may_write(this: Asking, resource: dict[str, Any], *, instead_of: Stored | None = None) -> None:
    """A plain write into a patient's record, where it then stays, or by a system into nobody's.

    Raises PatientFixed, PatientMissing, NotYours.
    """
    rules = types()[this.type]
    if not rules.compartment:
        return
    patient = patient_of(resource)
    if instead_of and instead_of.patient not in {None, patient}:
        raise PatientFixed
    if patient is None and not rules.open_without_patient and this.by.role is not Role.SYSTEM:
        raise PatientMissing
    await permit(this.tx, patient, visible=visible_to(this.by))


async def recorded(this: Asking, action: str, interaction: str, stored: Stored | None) -> None:
    """The interaction's audit row, in its own transaction."""
    entry = AuditEntry.by(
        this.by,
        action,
        interaction,
        this.type,
        entity=stored.reference if stored else "",
        version=stored.version if stored else None,
        patient=stored.patient if stored else None,
        request=this.asked.request,
    )
    await written(this.tx, entry, ids=this.room.ids, now=this.room.clock.now())
