"""Who may sign in to the demonstration, and what for. Passwords are made elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from yuzhen.demo_city.patients import patients
from yuzhen.demo_city.staff import doctors, pharmacists


class AccountRole(StrEnum):
    """What a person does on the platform."""

    PATIENT = "patient"
    PRACTITIONER = "practitioner"
    PHARMACIST = "pharmacist"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """A login: `reference` is the person's resource, `clinics` are HealthcareService ids, `organization` an id.

    The administrator is nobody's resource and belongs nowhere: both are None.
    """

    login: str
    role: AccountRole
    reference: str | None
    clinics: tuple[str, ...]
    organization: str | None
    display: str


def accounts() -> Iterator[Account]:
    """One account for each doctor, pharmacist and patient, and the administrator."""
    for doctor in doctors():
        clinic, employer = (doctor.department.id,), doctor.department.hospital_id
        who = f"Practitioner/{doctor.id}"
        yield Account(doctor.id, AccountRole.PRACTITIONER, who, clinic, employer, doctor.name.text)
    for person in pharmacists():
        who = f"Practitioner/{person.id}"
        yield Account(person.id, AccountRole.PHARMACIST, who, (), person.pharmacy.id, person.name.text)
    for patient in patients():
        who = f"Patient/{patient.id}"
        yield Account(patient.id, AccountRole.PATIENT, who, (), None, patient.name.text)
    yield Account("admin", AccountRole.ADMIN, None, (), None, "平台管理员")
