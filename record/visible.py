"""How much of the record someone may see, and the SQL condition that says so."""

from dataclasses import dataclass
from typing import assert_never

from kernel.auth.principal import Principal, Role
from record.ownership import TypeRules


@dataclass(frozen=True, slots=True)
class Everything:
    """The hospital's own systems."""


@dataclass(frozen=True, slots=True)
class OnlyPatient:
    """A patient: the own compartment and the open directory."""

    patient: str


@dataclass(frozen=True, slots=True)
class OfClinics:
    """A practitioner: the patients in the care of the own clinics, and the open directory."""

    clinics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedWith:
    """A pharmacist: what was shared with the own organization, and the open directory."""

    party: str


@dataclass(frozen=True, slots=True)
class DirectoryOnly:
    """An administrator: the open directory, no patient's record."""


Visible = Everything | OnlyPatient | OfClinics | SharedWith | DirectoryOnly


def visible_to(principal: Principal) -> Visible:
    """What this account may see."""
    match principal.role:
        case Role.PATIENT:
            return OnlyPatient(principal.patient or "")
        case Role.PRACTITIONER:
            return OfClinics(principal.clinics)
        case Role.PHARMACIST:
            return SharedWith(principal.organization)
        case Role.ADMIN:
            return DirectoryOnly()
        case Role.SYSTEM:
            return Everything()


def role_of(visible: Visible) -> Role:
    """The role that sees this much, to ask whether it reads a type at all."""
    match visible:
        case Everything():
            return Role.SYSTEM
        case OnlyPatient():
            return Role.PATIENT
        case OfClinics():
            return Role.PRACTITIONER
        case SharedWith():
            return Role.PHARMACIST
        case DirectoryOnly():
            return Role.ADMIN


def condition(visible: Visible, rules: TypeRules, *, at: int, row: str = "r") -> tuple[str, list[object]]:
    """An SQL condition on `row` and its arguments, numbered from $at. A type that is open to all needs none."""
    if not rules.compartment:
        return "true", []
    own, whose = _own(visible, rules, at, row)
    if rules.open_without_patient and own != "true":
        own = f"({row}.patient is null or {own})"
    return own, whose


def _own(visible: Visible, rules: TypeRules, at: int, row: str) -> tuple[str, list[object]]:
    match visible:
        case Everything():
            return "true", []
        case OnlyPatient(patient):
            return f"{row}.patient = ${at}", [patient]
        case OfClinics(clinics):
            mine = f"select 1 from record.care c where c.clinic = any(${at}::text[]) and c.patient = {row}.patient"  # noqa: S608
            return f"exists ({mine})", [list(clinics)]
        case SharedWith(party):
            mine = f"select 1 from record.reach s where s.party = ${at} and s.type = '{rules.type}' and s.id = {row}.id"  # noqa: S608
            return f"exists ({mine})", [party]
        case DirectoryOnly():
            return "false", []
    assert_never(visible)
