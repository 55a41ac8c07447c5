"""Whether someone may write into a patient's record by a plain FHIR interaction."""

from kernel.database import Transaction
from record.failures import NotYours
from record.visible import Everything, OfClinics, OnlyPatient, Visible

IN_CARE = "select exists (select 1 from record.care where clinic = any($1::text[]) and patient = $2)"


async def permit(tx: Transaction, patient: str | None, *, visible: Visible) -> None:
    """Patients write into the own record, practitioners into those in their clinics' care. Raises NotYours.

    `patient` None stands for a resource of the open directory.
    """
    match visible:
        case _ if patient is None:
            return
        case Everything():
            return
        case OnlyPatient(own) if own == patient:
            return
        case OfClinics(clinics) if await tx.raw.fetchval(IN_CARE, list(clinics), patient):
            return
    raise NotYours
