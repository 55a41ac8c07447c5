"""Two medicines, looked up, written and signed."""

import base64
import hashlib
from datetime import timedelta

from joserfc import jws
from joserfc.jwk import ECKey

from kernel.clock import local
from yuzhen.demo.api import Resource, every, out
from yuzhen.demo.visit import StepFailed, Visit

PRESCRIPTION = "https://yuzhen.example/fhir/prescription"
UCUM = "http://unitsofmeasure.org"


async def medicine(visit: Visit, name: str) -> Resource:
    """A medicine found by its name."""
    found = every(await visit.people["doctor"].get("/fhir/Medication", code__text=name))
    if not found:
        raise StepFailed(f"no medicine is found by the name {name}: see the log of pharmacy")
    return found[0]


def line(visit: Visit, medicament: Resource, group: str, *, reason: str | None) -> Resource:
    """One line of the prescription, as a draft."""
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "groupIdentifier": {"system": PRESCRIPTION, "value": group},
        "medicationReference": {
            "reference": f"Medication/{medicament['id']}",
            "display": medicament["code"].get("text", ""),
        },
        "subject": {"reference": visit.people["patient"].reference},
        "encounter": {"reference": f"Encounter/{visit.ids['Encounter']}"},
        "requester": {"reference": visit.people["doctor"].reference},
        **({"reasonReference": [{"reference": reason}]} if reason else {}),
        "dosageInstruction": [
            {
                "text": "口服，每次1片，每日1次",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": {"text": "口服"},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "片", "system": UCUM, "code": "{tablet}"}}],
            }
        ],
        "dispenseRequest": {
            # Stated by the doctor, so that a visit shortly before midnight can still be filled (RX-01).
            "validityPeriod": {"end": (local(visit.clock.now()) + timedelta(days=1)).date().isoformat()},
            "quantity": {"value": 7, "unit": "片", "system": UCUM, "code": "{tablet}"},
            "expectedSupplyDuration": {"value": 7, "unit": "天", "system": UCUM, "code": "d"},
        },
    }


async def prescribe(visit: Visit) -> str:
    """The doctor writes a prescription of two medicines."""
    doctor = visit.people["doctor"]
    group = f"rx-{visit.ids['Encounter'][:8]}-{hashlib.sha256(visit.ids['Encounter'].encode()).hexdigest()[:8]}"
    visit.resources["group"] = group
    names: list[str] = []
    for name in ("氨氯地平", "厄贝沙坦"):
        found = await medicine(visit, name)
        request_line = line(visit, found, group, reason=f"Condition/{visit.ids['Condition']}")
        request = await doctor.post("/fhir/MedicationRequest", request_line)
        visit.ids[f"MedicationRequest {len(names) + 1}"] = request["id"]
        names.append(found["code"]["text"])
    return ", ".join(names)


async def sign(visit: Visit) -> str:
    """The doctor signs exactly the bytes shown, with a key that never leaves the doctor's hands."""
    doctor = visit.people["doctor"]
    key = ECKey.generate_key("P-256")
    enrolled = await doctor.post(
        "/identity/signing-keys", {"jwk": key.as_dict(private=False), "password": visit.password}
    )
    group = visit.resources["group"]
    prepared = await doctor.operate("/fhir/MedicationRequest/$prepare", group=group)
    document = base64.b64decode(out(prepared, "document"))
    if hashlib.sha256(document).hexdigest() != out(prepared, "digest"):
        raise StepFailed("the prepared document does not have the digest it names")
    header = {"alg": "ES256", "kid": enrolled["kid"], "iat": int(visit.clock.now().timestamp())}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    whole = jws.serialize_compact(header, document, key, registry=registry)
    head, _, tail = whole.split(".")
    bundle = every(await doctor.operate("/fhir/MedicationRequest/$sign", group=group, signature=f"{head}..{tail}"))
    visit.ids["Task"] = next(one["id"] for one in bundle if one["resourceType"] == "Task")
    visit.ids["Provenance"] = next(one["id"] for one in bundle if one["resourceType"] == "Provenance")
    if await doctor.exactly(f"/pharmacy/prescriptions/{visit.ids['Task']}/document") != document:
        raise StepFailed("the stored prescription is not the one that was signed")
    return f"{len(document)} bytes, ES256"
