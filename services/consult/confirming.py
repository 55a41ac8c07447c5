"""The doctor judges whether an online visit is a follow-up of a disease already diagnosed in a hospital (TELE-01)."""

from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from record import read, write
from record.stored import Stored
from record.visible import Everything
from services.consult import fhir, policy, visiting
from services.consult.encounter import EncounterStatus
from services.consult.failures import FollowUpWithoutEvidence, NotFollowUp, NotInProgress


async def confirm_follow_up(tx: Transaction, id: str, *, judgement: bool, by: Principal, now: datetime) -> Stored:
    """Keep the judgement in the encounter, with its evidence. Judged the same way again, nothing changes.

    A visit once judged to be no follow-up stays so (TELE-03). Raises FollowUpWithoutEvidence, NotFollowUp,
    NotInProgress, OnlyItsDoctor, ResourceUnknown.
    """
    encounter = await visiting.held(tx, id, by=by)
    body = encounter.resource
    if fhir.status_in(body) is not EncounterStatus.IN_PROGRESS:
        raise NotInProgress
    before = fhir.judgement_in(body)
    if before is judgement:
        return encounter
    if before is False:
        raise NotFollowUp(policy.cited("TELE-03"))
    evidence = await _evidence(tx, fhir.appointment_in(body), patient=encounter.patient)
    if judgement and evidence is None:
        raise FollowUpWithoutEvidence(policy.cited("TELE-01"), expression="Appointment.supportingInformation")
    rule = f"{policy.PACK.name} {'TELE-01' if judgement else 'TELE-03'}"
    changed = fhir.with_follow_up(body, judgement=judgement, evidence=evidence, by=by.fhir_user, rule=rule, now=now)
    judged = await write.update(tx, changed, id=id, now=now, expected=encounter.version)
    visiting.announce(tx, judged)
    return judged


async def _evidence(tx: Transaction, appointment: str, *, patient: str | None) -> str | None:
    """The first record the patient booked with that is theirs and says a diagnosis."""
    booking = await read.read(tx, "Appointment", appointment, visible=Everything())
    for id_ in fhir.prior_records_in(booking.resource):
        for document in await read.read_many(tx, "DocumentReference", [id_], visible=Everything()):
            if document.patient == patient and fhir.is_diagnosed(document.resource):
                return document.reference
    return None
