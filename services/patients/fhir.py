"""What the patients room reads from and writes into FHIR R4 resources (https://hl7.org/fhir/R4/condition.html)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson

from record.canonical import BASE, ICD_10, code_system, extension
from services.patients.terminology.diagnoses import Diagnosis

FOLLOW_UP = extension("follow-up")
DOCUMENT_CATEGORY = code_system("document-category")
CONDITION_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
VIDEO = "VR"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A doctor's judgement about a visit, and the document it rests on."""

    judgement: bool
    evidence: str


def instant(at: datetime) -> str:
    """An instant as FHIR writes it."""
    return at.isoformat(timespec="seconds")


def with_absent(body: bytes, **elements: Any) -> bytes:
    """A resource with these elements where it has none of its own; every other byte stays as it came."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    added = {name: msgspec.Raw(orjson.dumps(value)) for name, value in elements.items()}
    return msgspec.json.encode({**added, **fields})


def reference_in(resource: Mapping[str, Any], element: str) -> str:
    """The reference an element holds, or nothing."""
    return str((resource.get(element) or {}).get("reference", ""))


def icd_10_codes(concepts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ICD-10 codes in these concepts."""
    codings = (coding for concept in concepts for coding in concept.get("coding", []))
    return [str(coding.get("code", "")) for coding in codings if coding.get("system") == ICD_10]


def diagnosis_in(condition: Mapping[str, Any]) -> list[str]:
    """The ICD-10 codes of a condition."""
    return icd_10_codes([condition.get("code", {})])


def is_problem_list_item(condition: Mapping[str, Any]) -> bool:
    """Whether a condition is an entry of the problem list, and nothing else."""
    codes = list(_codes(condition.get("category", []), CONDITION_CATEGORY))
    return codes == ["problem-list-item"]


def is_prior_record(document: Mapping[str, Any]) -> bool:
    """Whether a document is a record of an earlier visit."""
    return "prior-visit" in _codes(document.get("category", []), DOCUMENT_CATEGORY)


def events_in(document: Mapping[str, Any]) -> list[str]:
    """The ICD-10 codes a document is about."""
    return icd_10_codes(document.get("context", {}).get("event", []))


def attachments_in(document: Mapping[str, Any]) -> list[Resource]:
    """Everything attached to a document."""
    return [content.get("attachment", {}) for content in document.get("content", [])]


def authors_in(document: Mapping[str, Any]) -> list[str]:
    """References of those who entered a document."""
    return [str(author.get("reference", "")) for author in document.get("author", [])]


def documents_in(appointment: Mapping[str, Any]) -> list[str]:
    """References of the documents a booking carries."""
    return [str(one.get("reference", "")) for one in appointment.get("supportingInformation", [])]


def doctor_in(encounter: Mapping[str, Any]) -> str:
    """Reference of the encounter's doctor."""
    return next((reference_in(one, "individual") for one in encounter.get("participant", [])), "")


def is_online(encounter: Mapping[str, Any]) -> bool:
    """Whether a visit is held by video."""
    return bool(encounter["class"].get("code") == VIDEO)


def follow_up_in(encounter: Mapping[str, Any]) -> FollowUp | None:
    """The doctor's judgement about a visit, if there is one."""
    for one in encounter.get("extension", []):
        if one["url"] == FOLLOW_UP:
            parts = {part["url"]: part for part in one["extension"]}
            evidence = parts.get("evidence", {}).get("valueReference", {}).get("reference", "")
            return FollowUp(parts["judgement"]["valueBoolean"], str(evidence))
    return None


def expansion(found: Sequence[Diagnosis], *, total: int, identifier: str, at: datetime) -> Resource:
    """Diagnoses as the expansion of ValueSet/icd-10 (https://hl7.org/fhir/R4/valueset-operation-expand.html)."""
    listed: Resource = {"identifier": f"urn:uuid:{identifier}", "timestamp": instant(at), "total": total}
    if found:
        listed["contains"] = [_contained(one) for one in found]
    url = f"{BASE}/ValueSet/icd-10"
    return {"resourceType": "ValueSet", "id": "icd-10", "url": url, "status": "active", "expansion": listed}


def _contained(one: Diagnosis) -> Resource:
    names = [{"language": "zh-CN", "value": one.display_zh}, {"language": "en", "value": one.display_en}]
    return {"system": ICD_10, "code": one.code, "display": one.display_zh, "designation": names}


def _codes(concepts: Sequence[Mapping[str, Any]], system: str) -> Iterator[str]:
    for concept in concepts:
        yield from (str(c.get("code", "")) for c in concept.get("coding", []) if c.get("system") == system)
