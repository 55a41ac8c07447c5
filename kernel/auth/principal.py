"""The person or system behind a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What an account is in the hospital."""

    PATIENT = "patient"
    PRACTITIONER = "practitioner"
    PHARMACIST = "pharmacist"
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, in which role, and for which patient, clinics or pharmacy."""

    account: str
    role: Role
    fhir_user: str
    """Reference to the person's resource, such as `Practitioner/doctor-001`; empty for systems."""
    clinics: tuple[str, ...]
    """References of the HealthcareServices a practitioner works for."""
    organization: str
    """Reference of the Organization a member of staff belongs to; empty for patients."""
    token_id: str
    expires_at: datetime

    @property
    def patient(self) -> str | None:
        """Id of the patient whose compartment is the only one this account sees, or None for staff."""
        return self.fhir_user.removeprefix("Patient/") if self.role is Role.PATIENT else None
