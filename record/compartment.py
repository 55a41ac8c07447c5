"""Whose record a resource belongs to: the one patient its type names (https://hl7.org/fhir/R4/compartmentdefinition-patient.html)."""

from collections.abc import Mapping
from typing import Any

from record.keys import reference_form

SUBJECT = {"AllergyIntolerance": "patient", "Task": "for"}
"""Element that names the patient, where it is not `subject`."""


def patient_of(resource: Mapping[str, Any]) -> str | None:
    """Id of the resource's one patient, or None if it names none or several."""
    named = {form.removeprefix("Patient/") for form in _named(resource) if form and form.startswith("Patient/")}
    return named.pop() if len(named) == 1 else None


def _named(resource: Mapping[str, Any]) -> list[str | None]:
    match resource["resourceType"]:
        case "Patient":
            return [f"Patient/{resource['id']}"] if "id" in resource else []
        case "Appointment":
            return [reference_form(taking_part.get("actor")) for taking_part in resource.get("participant", ())]
        case "Provenance":
            return [reference_form(target) for target in resource.get("target", ())]
        case type_:
            return [reference_form(resource.get(SUBJECT.get(type_, "subject")))]
