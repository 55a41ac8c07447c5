"""The prescription as a document of exact bytes, and the Provenance of each signature and hand-over.

https://hl7.org/fhir/R4/documents.html, https://hl7.org/fhir/R4/provenance.html
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from record.canonical import BASE, code_system
from record.stored import Stored
from services.pharmacy.fhir import Resource, activated, written

ACTIVITY = code_system("prescription-activity")
DOCUMENT = f"{BASE}/prescription-document"
PARTICIPANT_TYPE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
SIGNATURE_TYPE = "urn:iso-astm:E1762-95:2013"
PRESCRIPTION_FOR_MEDICATION = {
    "system": "http://loinc.org",
    "code": "57833-6",
    "display": "Prescription for medication",
}
SHA_256 = "urn:ietf:rfc:6234"


def document(
    id: str,
    drafts: Sequence[Stored],
    *,
    around: Sequence[Stored],
    encounter: Mapping[str, Any],
    by: str,
    authored_at: datetime,
) -> bytes:
    """The document Bundle a doctor signs: composition, the lines as they will stand, and all they refer to.

    `around` are the Patient, Practitioner, hospital, Encounter, Conditions and Medications, as stored.
    """
    lines = [(draft.reference, activated(draft.body, authored_at=authored_at)) for draft in drafts]
    heading = msgspec.json.encode(_composition(id, drafts, encounter=encounter, by=by, authored_at=authored_at))
    parts = [(f"Composition/{id}", heading), *lines, *((one.reference, one.body) for one in around)]
    bundle = {
        "resourceType": "Bundle",
        "id": id,
        "identifier": {"system": DOCUMENT, "value": id},
        "type": "document",
        "timestamp": written(authored_at),
        "entry": [{"fullUrl": f"{BASE}/{name}", "resource": msgspec.Raw(body)} for name, body in parts],
    }
    return msgspec.json.encode(bundle)


def _composition(
    id: str, drafts: Sequence[Stored], *, encounter: Mapping[str, Any], by: str, authored_at: datetime
) -> Resource:
    body: Resource = {
        "resourceType": "Composition",
        "id": id,
        "status": "final",
        "type": {"coding": [PRESCRIPTION_FOR_MEDICATION]},
        "subject": encounter["subject"],
        "encounter": {"reference": f"Encounter/{encounter['id']}"},
        "date": written(authored_at),
        "author": [{"reference": by}],
        "title": "处方",
        "section": [{"title": "Rp", "entry": [{"reference": draft.reference} for draft in drafts]}],
    }
    return body | ({"custodian": encounter["serviceProvider"]} if "serviceProvider" in encounter else {})


def provenance(
    activity: str,
    targets: Sequence[str],
    *,
    by: str,
    role: str,
    organization: str,
    digest: str,
    now: datetime,
    signature: Resource | None = None,
) -> Resource:
    """Who did what to which resources, resting on the signed bytes of this SHA-256."""
    agent: Resource = {"type": {"coding": [{"system": PARTICIPANT_TYPE, "code": role}]}, "who": {"reference": by}}
    if organization:
        agent["onBehalfOf"] = {"reference": organization}
    body: Resource = {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": written(now),
        "activity": {"coding": [{"system": ACTIVITY, "code": activity}]},
        "agent": [agent],
        "entity": [{"role": "source", "what": {"identifier": {"system": SHA_256, "value": digest}}}],
    }
    return {**body, "signature": [signature]} if signature else body


def signed(jws: str, *, by: str, at: datetime) -> Resource:
    """A detached JWS as a FHIR Signature: author's signature, whole text base64-encoded."""
    return {
        "type": [{"system": SIGNATURE_TYPE, "code": "1.2.840.10065.1.12.1.1"}],
        "when": written(at),
        "who": {"reference": by},
        "targetFormat": "application/fhir+json",
        "sigFormat": "application/jose",
        "data": base64.b64encode(jws.encode()).decode(),
    }
