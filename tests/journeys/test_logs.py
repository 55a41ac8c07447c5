"""What people entrust to the hospital is in the record alone, and in no log."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.platform import Platform
from yuzhen.demo_city.patients import patients

pytestmark = pytest.mark.slow

SAID = "最近血压平稳"
"""Part of what patient and doctor write to one another in the demonstration."""
TOKEN = "eyJ"
"""How every access token begins."""


def _secrets(platform: Platform) -> Iterator[str]:
    for patient in patients():
        yield from (patient.name.text, patient.phone, patient.identity_number)
    yield from (SAID, TOKEN, platform.password)


def _asked(platform: Platform, method: str, path: str, token: str, body: str = "") -> int:
    request = urllib.request.Request(  # noqa: S310 - our own platform
        f"{platform.address}{path}",
        data=body.encode() or None,
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def _mistakes(platform: Platform) -> list[int]:
    """Requests that are refused and carry a person's particulars in address and body."""
    patient, token = patients()[0], platform.token("patient-001")
    name = urllib.parse.quote(patient.name.text)
    broken = f'{{"resourceType": "Patient", "name": [{{"text": "{patient.name.text}", "x": "{patient.phone}"}}]}}'
    return [
        _asked(platform, "GET", f"/fhir/Patient?name={name}&identifier={patient.identity_number}&x=1", token),
        _asked(platform, "GET", f"/fhir/Patient/{patient.identity_number}", token),
        _asked(platform, "GET", f"/nowhere/{name}/{patient.phone}", token),
        _asked(platform, "POST", "/fhir/Patient", token, broken),
        _asked(platform, "PUT", "/fhir/Patient/patient-001", token, broken),
        _asked(platform, "GET", "/fhir/Patient", f"{token}x"),
    ]


def test_no_log_names_anybody(platform: Platform) -> None:
    """After a visit, and mistakes full of particulars, no log holds a name, telephone, identity number or token."""
    played = platform.demo()
    assert played.returncode == 0, played.stdout
    assert all(400 <= status < 500 for status in _mistakes(platform))
    logs = {log.name: log.read_text(errors="replace") for log in platform.logs()}
    assert {"gateway.log", "patients.log", "postgres.log", "worker.log"} <= logs.keys()
    found = {(name, secret) for secret in _secrets(platform) for name, text in logs.items() if secret in text}
    assert found == set()
    assert not any("ERROR" in text or "Traceback" in text for text in logs.values()), (
        "an undisturbed visit logs no error"
    )


def test_the_search_would_find_them(platform: Platform) -> None:
    """The particulars looked for are those the platform keeps: a patient's own record holds them."""
    token = platform.token("patient-001")
    request = urllib.request.Request(  # noqa: S310 - our own platform
        f"{platform.address}/fhir/Patient/patient-001", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        kept = answer.read().decode()
    patient = patients()[0]
    assert all(secret in kept for secret in (patient.name.text, patient.phone, patient.identity_number))
