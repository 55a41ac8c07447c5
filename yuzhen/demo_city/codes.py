"""How a code, a reference or a translation is written in the demonstration resources: https://hl7.org/fhir/R4/datatypes.html."""

from typing import Any

from record.canonical import BASE, code_system

Resource = dict[str, Any]
Element = dict[str, Any]

CHONGQING = "http://fhir.cq.hc"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
LOINC = "http://loinc.org"

SPECIALTY = code_system("medical-subject")
"""诊疗科目名录: the medical subjects a Chinese institution is licensed for."""
ALLERGEN = code_system("allergen")
ORGANIZATION_KIND = code_system("organization-kind")
DOCUMENT_CATEGORY = code_system("document-category")

RESIDENT_IDENTITY = "urn:oid:2.16.156.10011.1.3"
"""公民身份号码: the number on the resident identity card, GB 11643."""
CREDIT_CODE = f"{BASE}/NamingSystem/uscc"
INSTITUTION_LICENCE = f"{BASE}/NamingSystem/institution-licence"
DOCTOR_LICENCE = f"{BASE}/NamingSystem/doctor-licence"
PHARMACIST_LICENCE = f"{BASE}/NamingSystem/pharmacist-licence"


def coding(system: str, code: str, display: str) -> Element:
    """A Coding with its display."""
    return {"system": system, "code": code, "display": display}


def concept(*codings: Element, text: str | None = None) -> Element:
    """A CodeableConcept of one or more codings; its text is the first display unless another is given."""
    return {"coding": list(codings), "text": text or codings[0]["display"]}


def reference(kind: str, id: str, display: str | None = None) -> Element:
    """A relative Reference, with what to show for it."""
    return {"reference": f"{kind}/{id}"} | ({"display": display} if display else {})


def in_english(text: str) -> Element:
    """The companion of a Chinese string (`_name`) that carries its English translation.

    https://hl7.org/fhir/R4/extension-translation.html
    """
    parts = [{"url": "lang", "valueCode": "en"}, {"url": "content", "valueString": text}]
    return {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/translation", "extension": parts}]}


def chongqing_coding(system: str, code: str, display: str) -> Element:
    """A Coding of one of Chongqing's code systems, named by the last part of its address."""
    return coding(f"{CHONGQING}/CodeSystem/{system}", code, display)


def chongqing_extension(name: str, value: Element) -> Element:
    """One of the extensions Chongqing's master-data guide puts on an Organization."""
    return {"url": f"{CHONGQING}/StructureDefinition/{name}", "valueCoding": value}


def identifier_type(code: str, display: str) -> Element:
    """What kind of identifier it is, in Chongqing's words."""
    return concept(chongqing_coding("identifierType-code-system", code, display))
