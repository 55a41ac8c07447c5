"""Bundles as clients write them, for the tests of batches and transactions."""

import itertools
import os
from typing import Any

from kernel.auth.principal import Role
from record.validation.checking import check
from tests.support.record import Answer, RoomDoor, account

ACCOUNTS = [
    account("system", Role.SYSTEM),
    account("admin", Role.ADMIN),
    account("tove", Role.PATIENT, fhir_user="Patient/tove"),
    account("ulla", Role.PATIENT, fhir_user="Patient/ulla"),
    account("doctor", Role.PRACTITIONER, fhir_user="Practitioner/d", clinics=("HealthcareService/none",)),
]
MRN = "https://hospital.example/mrn"
_numbers = itertools.count(1)


def fresh() -> str:
    """A value nobody else uses."""
    return f"{os.getpid()}-{next(_numbers)}"


def patient(value: str | None = None) -> dict[str, Any]:
    """A patient with an identifier."""
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value or fresh()}]}


def basic(subject: str, **more: Any) -> dict[str, Any]:
    """A resource of a shared type about somebody."""
    return {"resourceType": "Basic", "code": {"text": "note"}, "subject": {"reference": subject}, **more}


def observation(subject: str) -> dict[str, Any]:
    """A measured value."""
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}}


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    """A transaction of these entries."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def batch(*entries: dict[str, Any]) -> dict[str, Any]:
    """A batch of these entries."""
    return {**transaction(*entries), "type": "batch"}


def post(resource: dict[str, Any], full_url: str | None = None, **conditions: str) -> dict[str, Any]:
    """An entry that creates."""
    entry = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **conditions}}
    return {"fullUrl": full_url, **entry} if full_url else entry


def put(resource: dict[str, Any], place: str | None = None, **conditions: str) -> dict[str, Any]:
    """An entry that replaces, by id or by criteria."""
    url = place or f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url, **conditions}}


def ask(method: str, url: str, **conditions: str) -> dict[str, Any]:
    """An entry without a resource."""
    return {"request": {"method": method, "url": url, **conditions}}


def urn(n: int) -> str:
    """A name that an entry has inside its Bundle."""
    return f"urn:uuid:00000000-0000-4000-8000-{n:012d}"


def statuses(answer: Answer) -> list[str]:
    """What became of each entry of an answer that is itself sound FHIR."""
    assert answer.status == 200, answer.body
    check(answer.body, type="Bundle")
    return [entry["response"]["status"] for entry in answer.json["entry"]]


def reference(answer: Answer, n: int) -> str:
    """Type/id of what an entry made."""
    location: str = answer.json["entry"][n]["response"]["location"]
    return location.partition("/fhir/")[2].partition("/_history")[0]


def places(answer: Answer) -> list[str]:
    """The entries and elements an OperationOutcome names."""
    return [issue["expression"][0] for issue in answer.json["issue"]]


async def transact(door: RoomDoor, *entries: dict[str, Any], by: str = "system", **headers: str) -> Answer:
    """Send a transaction to a room."""
    return await door.ask("POST", "/fhir", by=by, body=transaction(*entries), **headers)
