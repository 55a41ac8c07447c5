"""Our own names inside FHIR: canonical addresses of extensions, code systems and identifiers."""

BASE = "https://yuzhen.example/fhir"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
VIRTUAL_SERVICE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PRESCRIPTION = f"{BASE}/prescription"


def extension(name: str) -> str:
    """The address of one of our extensions."""
    return f"{BASE}/StructureDefinition/{name}"


def code_system(name: str) -> str:
    """The address of one of our code systems."""
    return f"{BASE}/CodeSystem/{name}"
