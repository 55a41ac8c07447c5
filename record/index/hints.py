"""What HL7's search parameters do not say: each type's main date, which parameters match much, which words are kept,
and whose lists are read in date order.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Search:
    """How one type is found: its parameters, its main date, and the anchors listed in date order."""

    date: str | None = None
    """The main date: of one value at most, kept in the row itself."""
    instant: bool = False
    """The main date is an instant, so its range is never longer than a minute."""
    broad: tuple[str, ...] = ()
    """Parameters that match a large part of the type, so that they never drive a search."""
    text: tuple[str, ...] = ()
    """Codes whose words are indexed too, for `:text`."""
    anchors: tuple[tuple[str, ...], ...] = ()
    long: tuple[str, ...] = ()
    """Anchors of one parameter whose lists are so long that any other selective criterion goes first."""
    codes: tuple[str, ...] = ()
    """The parameters' names; empty in a hint for all of HL7's."""


def _codes(words: str) -> tuple[str, ...]:
    return tuple(words.split())


ALWAYS_BROAD = frozenset(_codes("status category language intent priority class address-use _profile"))
"""Parameters that match a large part of any type, as do those of a boolean or of a code from a fixed list."""

HINTS: Mapping[str, Search] = {
    "Organization": Search(broad=("type",)),
    "Location": Search(broad=("type",)),
    "HealthcareService": Search(text=_codes("specialty service-type")),
    "PractitionerRole": Search(date="date", text=("specialty",)),
    "Schedule": Search(date="date"),
    "Slot": Search(
        date="start",
        instant=True,
        broad=_codes("appointment-type service-category"),
        anchors=(("schedule",), ("schedule", "status")),
    ),
    "Appointment": Search(
        date="date",
        instant=True,
        broad=_codes("appointment-type service-category"),
        anchors=(("patient",), ("practitioner",), ("location",)),
    ),
    "Encounter": Search(date="date", broad=_codes("type participant-type"), anchors=(("patient",), ("practitioner",))),
    "Communication": Search(date="sent", broad=("medium",), anchors=(("encounter",), ("patient",))),
    "Condition": Search(
        date="recorded-date",
        broad=_codes("clinical-status verification-status severity stage"),
        text=("code",),
        anchors=(("patient",), ("encounter",)),
    ),
    "AllergyIntolerance": Search(
        date="date",
        broad=_codes("clinical-status verification-status type route"),
        text=("code",),
        anchors=(("patient",),),
    ),
    "Observation": Search(
        date="date",
        broad=_codes("method data-absent-reason component-data-absent-reason combo-data-absent-reason"),
        text=("code",),
        anchors=(("patient",), ("patient", "code"), ("patient", "category"), ("code",)),
        long=("code",),
    ),
    "DocumentReference": Search(
        date="date",
        broad=_codes("contenttype facility format security-label setting"),
        text=("type",),
        anchors=(("patient",), ("encounter",)),
    ),
    "MedicationRequest": Search(
        date="authoredon",
        broad=("intended-performertype",),
        text=("code",),
        anchors=(("patient",), ("patient", "status"), ("requester",)),
    ),
    "MedicationDispense": Search(date="whenhandedover", broad=("type",), text=("code",), anchors=(("patient",),)),
    "Task": Search(
        date="authored-on",
        broad=_codes("business-status code performer"),
        anchors=(("owner", "status"), ("owner",), ("patient",)),
    ),
    "Medication": Search(broad=("form",), text=_codes("code ingredient-code")),
    "Patient": Search(date="birthdate"),
    "RelatedPerson": Search(date="birthdate", broad=("relationship",)),
    "Person": Search(date="birthdate"),
    "Provenance": Search(
        date="recorded",
        instant=True,
        broad=_codes("agent-type agent-role signature-type"),
        anchors=(("target",),),
    ),
    "AuditEvent": Search(
        date="date",
        instant=True,
        codes=_codes("patient date agent entity action type subtype outcome"),
    ),
    "Endpoint": Search(broad=_codes("connection-type payload-type")),
    "EpisodeOfCare": Search(date="date"),
    "ClinicalImpression": Search(date="date", text=("finding-code",)),
    "Composition": Search(date="date", broad=("confidentiality",), text=("type",)),
    "Questionnaire": Search(date="date", broad=_codes("context-type jurisdiction subject-type"), text=("code",)),
    "QuestionnaireResponse": Search(date="authored"),
    "ServiceRequest": Search(date="authored", text=("code",)),
    "CarePlan": Search(date="date", text=("activity-code",)),
    "CareTeam": Search(date="date"),
    "Goal": Search(date="start-date", broad=("achievement-status",)),
    "Flag": Search(date="date"),
    "Procedure": Search(date="date", text=("code",)),
    "Immunization": Search(date="date", text=("vaccine-code",)),
    "ImmunizationRecommendation": Search(date="date", text=("vaccine-type",)),
    "Specimen": Search(date="collected", broad=("container",), text=("type",)),
    "DiagnosticReport": Search(date="date", text=_codes("code conclusion")),
    "ImagingStudy": Search(date="started", broad=_codes("modality dicom-class")),
    "Media": Search(date="created", broad=_codes("modality type view")),
    "FamilyMemberHistory": Search(date="date", broad=_codes("relationship sex"), text=("code",)),
    "MedicationStatement": Search(date="effective", text=("code",)),
    "MedicationAdministration": Search(date="effective-time", text=("code",)),
    "DetectedIssue": Search(date="identified", text=("code",)),
    "RiskAssessment": Search(date="date", broad=_codes("method risk")),
    "CommunicationRequest": Search(date="authored", broad=("medium",)),
    "NutritionOrder": Search(date="datetime"),
    "Consent": Search(date="date", broad=_codes("action purpose scope security-label")),
    "DocumentManifest": Search(date="created", text=("type",)),
    "List": Search(date="date", broad=_codes("code empty-reason")),
    "Basic": Search(date="created"),
    "Device": Search(text=("type",)),
    "DeviceMetric": Search(broad=("type",)),
    "Group": Search(broad=("type",)),
    "Account": Search(date="period", broad=("type",)),
    "ChargeItem": Search(date="occurrence", broad=("performer-function",), text=("code",)),
    "Invoice": Search(date="date", broad=_codes("type participant-role")),
    "PaymentNotice": Search(date="created", broad=("payment-status",)),
    "PaymentReconciliation": Search(date="created"),
    "Coverage": Search(broad=_codes("type class-type")),
    "Claim": Search(date="created"),
    "ClaimResponse": Search(date="created"),
}
"""A type that is not named here has no main date, and is found by all of HL7's parameters."""
