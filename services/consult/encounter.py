"""A visit from the doctor's call to its end (https://hl7.org/fhir/R4/encounter.html)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kernel.ids import derived


class EncounterStatus(StrEnum):
    """The states we use of FHIR's EncounterStatus."""

    ARRIVED = "arrived"
    IN_PROGRESS = "in-progress"
    FINISHED = "finished"
    CANCELLED = "cancelled"


NEXT: Mapping[EncounterStatus, frozenset[EncounterStatus]] = {
    EncounterStatus.ARRIVED: frozenset({EncounterStatus.IN_PROGRESS, EncounterStatus.CANCELLED}),
    EncounterStatus.IN_PROGRESS: frozenset({EncounterStatus.FINISHED}),
    EncounterStatus.FINISHED: frozenset(),
    EncounterStatus.CANCELLED: frozenset(),
}
"""Every step an encounter may take; anything not here is refused."""

OPEN = frozenset({EncounterStatus.ARRIVED, EncounterStatus.IN_PROGRESS})
"""While an encounter is in one of these, its two people may meet and write to one another."""


class Visit(StrEnum):
    """Kind of visit, by HL7's ActCode."""

    VIDEO = "VR"
    IN_PERSON = "AMB"


class Side(StrEnum):
    """The two people of a visit."""

    PATIENT = "patient"
    PRACTITIONER = "practitioner"


@dataclass(frozen=True, slots=True)
class Call:
    """A doctor has called a patient: `appointment` and `patient` are ids, the rest references."""

    appointment: str
    patient: str
    practitioner: str
    service: str
    organization: str
    location: str
    visit: Visit


def encounter_of(appointment: str) -> str:
    """Id of the one encounter that belongs to an appointment."""
    return derived("encounter", appointment)


def participant_of(encounter: str, side: Side) -> str:
    """The name of one side in the media room: always the same, so that whoever joins again replaces the old line."""
    return derived("participant", f"{encounter}:{side.value}")


def may_become(now: EncounterStatus, then: EncounterStatus) -> bool:
    """Whether an encounter may take this step."""
    return then in NEXT[now]
