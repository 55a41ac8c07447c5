"""Whose record a resource belongs to: the one patient its type names (https://hl7.org/fhir/R4/compartmentdefinition-patient.html).

HL7 lets a resource lie in the records of several patients: the one it is about, the one who told it, the one who
fetched the medicine. Here it lies in one. What it is about decides; only a resource that is about nobody in particular
belongs to the patient who had a part in it. Where that cannot be told, it belongs to nobody and only systems see it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from record.failures import PatientMissing
from record.index.keys import reference_form, reference_type

ABOUT: Mapping[str, str] = {
    "Account": "subject",
    "AllergyIntolerance": "patient",
    "Appointment": "participant.actor",
    "AppointmentResponse": "actor",
    "AuditEvent": "entity.what",
    "Basic": "subject",
    "Binary": "securityContext",
    "BodyStructure": "patient",
    "CarePlan": "subject",
    "CareTeam": "subject",
    "ChargeItem": "subject",
    "Claim": "patient",
    "ClaimResponse": "patient",
    "ClinicalImpression": "subject",
    "Communication": "subject",
    "CommunicationRequest": "subject",
    "Composition": "subject",
    "Condition": "subject",
    "Consent": "patient",
    "Coverage": "beneficiary",
    "DetectedIssue": "patient",
    "Device": "patient",
    "DeviceUseStatement": "subject",
    "DiagnosticReport": "subject",
    "DocumentManifest": "subject",
    "DocumentReference": "subject",
    "Encounter": "subject",
    "EpisodeOfCare": "patient",
    "FamilyMemberHistory": "patient",
    "Flag": "subject",
    "Goal": "subject",
    "Group": "member.entity",
    "ImagingStudy": "subject",
    "Immunization": "patient",
    "ImmunizationRecommendation": "patient",
    "Invoice": "subject",
    "List": "subject",
    "Media": "subject",
    "MedicationAdministration": "subject",
    "MedicationDispense": "subject",
    "MedicationRequest": "subject",
    "MedicationStatement": "subject",
    "NutritionOrder": "patient",
    "Observation": "subject",
    "Person": "link.target",
    "Procedure": "subject",
    "Provenance": "target",
    "QuestionnaireResponse": "subject",
    "RelatedPerson": "patient",
    "RiskAssessment": "subject",
    "ServiceRequest": "subject",
    "Specimen": "subject",
    "Task": "for",
}
"""Where a type says whom it is about. Money that moves between houses (PaymentNotice ...) does not."""

TAKING_PART: Mapping[str, tuple[str, ...]] = {
    "AuditEvent": ("agent.who",),
    "Basic": ("author",),
    "CareTeam": ("participant.member",),
    "Communication": ("sender", "recipient"),
    "CommunicationRequest": ("sender", "recipient", "requester"),
    "Composition": ("author", "attester.party"),
    "DocumentManifest": ("author", "recipient"),
    "DocumentReference": ("author",),
    "Invoice": ("recipient",),
    "MedicationDispense": ("receiver",),
    "Observation": ("performer",),
    "QuestionnaireResponse": ("author",),
    "Task": ("focus",),
}
"""Who had a part in it, asked where nobody is named above. A List without a subject spans patients: nobody owns it."""

NOBODY_ELSE = frozenset({"Account", "Device", "Group"})
"""Types that are about all they name: one who is not the patient makes them nobody's."""


def patient_of(resource: Mapping[str, Any]) -> str | None:
    """Id of the resource's one patient, or None if it names none, several, or one that is not kept here.

    Raises PatientMissing where a type is open without a patient, and the one it names is not kept here.
    """
    type_ = resource["resourceType"]
    if type_ == "Patient":
        return resource.get("id")
    about = list(_at(resource, ABOUT[type_])) if type_ in ABOUT else []
    named = about or [one for path in TAKING_PART.get(type_, ()) for one in _at(resource, path)]
    patients = set(_patients(named, strict=type_ in NOBODY_ELSE))
    if type_ == "Device" and None in patients:
        raise PatientMissing
    return patients.pop() if len(patients) == 1 else None


def _at(node: Any, path: str) -> Iterator[Any]:
    name, _, rest = path.partition(".")
    value = node.get(name, ()) if isinstance(node, Mapping) else ()
    for item in value if isinstance(value, list | tuple) else (value,):
        yield from _at(item, rest) if rest else (item,)


def _patients(references: Iterable[Any], *, strict: bool) -> Iterator[str | None]:
    """Ids of the patients named; None for one who is not kept here, and when `strict` for anybody else."""
    for reference in references:
        form = reference_form(reference)
        if form and form.startswith("Patient/"):
            yield form.removeprefix("Patient/")
        elif strict or reference_type(reference) == "Patient":
            yield None
