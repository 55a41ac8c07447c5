"""Requests no honest client sends: doubled and injected headers, smuggled bodies, half-right resources."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest

from tests.support.platform import Platform
from tests.support.postgres import connect_as

pytestmark = pytest.mark.slow

FHIR = "application/fhir+json"


def _raw(platform: Platform, *lines: str, body: bytes = b"", host: str = "127.0.0.1") -> tuple[str, str]:
    """Exactly these header lines on the wire; the answer's head and body."""
    head = "\r\n".join([*lines, f"Host: {host}", "Connection: close"])
    with socket.create_connection(("127.0.0.1", platform.settings.port), timeout=10) as door:
        door.sendall(f"{head}\r\n\r\n".encode() + body)
        parts = iter(lambda: door.recv(65536), b"")
        head_back, _, said = b"".join(parts).partition(b"\r\n\r\n")
    return head_back.decode(), said.decode()


def _status(head: str) -> int:
    return int(head.split(" ", 2)[1])


def test_the_second_of_two_tokens_wins_nothing(platform: Platform) -> None:
    """Of two Authorization headers neither opens more than it would alone: a wrong one spoils the request."""
    good = f"Authorization: Bearer {platform.token('patient-001')}"
    for lines in ((good, "Authorization: Bearer x"), ("Authorization: Bearer x", good)):
        head, _ = _raw(platform, "GET /fhir/Patient/patient-001 HTTP/1.1", *lines)
        assert _status(head) == 401


@pytest.mark.parametrize(
    "address", ["/fhir/Patient?name=%0d%0aX-Evil:%201", "/fhir/Patient/a%0d%0aX-Evil:%201", "/x%0d%0aX-Evil:%201"]
)
def test_no_header_comes_from_an_address(platform: Platform, address: str) -> None:
    """A line break hidden in an address does not become a header of the answer."""
    head, _ = _raw(platform, f"GET {address} HTTP/1.1", f"Authorization: Bearer {platform.token('patient-001')}")
    assert "x-evil" not in head.lower()


def test_a_body_with_two_lengths_is_refused(platform: Platform) -> None:
    """Where a body ends must be certain: two lengths, or a length beside chunks, are no request."""
    token = f"Authorization: Bearer {platform.token('patient-001')}"
    start = ("POST /fhir/Appointment/$hold HTTP/1.1", token, f"Content-Type: {FHIR}")
    for lines in (
        ("Content-Length: 2", "Content-Length: 40"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
    ):
        head, _ = _raw(platform, *start, *lines, body=b"{}")
        assert _status(head) == 400, lines


def test_the_inner_header_is_not_taken_from_outside(platform: Platform) -> None:
    """Nobody tells identity from outside which origin the browser came to: the redirect would lead elsewhere."""
    grant = {
        **{"response_type": "code", "client_id": "yuzhen-web", "redirect_uri": "https://evil.example/"},
        **{"code_challenge": "x" * 43, "code_challenge_method": "S256", "state": "s"},
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in grant.items())
    head, said = _raw(platform, f"GET /authorize?{query} HTTP/1.1", "X-Yuzhen-Origin: https://evil.example")
    assert _status(head) == 400
    assert "<form" not in said


def test_a_host_does_not_choose_the_room(platform: Platform) -> None:
    """A Host header that looks like an address opens no inner route and no closed one."""
    for host in ("x/.well-known/a", "x/fhir/metadata?", "x/authorize#"):
        for address in ("/metrics", "/fhir/Patient/patient-001"):
            head, said = _raw(platform, f"GET {address} HTTP/1.1", host=host)
            assert _status(head) in {400, 401, 404}, (host, address)
            assert "yuzhen_requests_total" not in said


SUBJECT = {"reference": "Patient/patient-001"}
CODE = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10"}]}
HALF_RIGHT: Mapping[str, Mapping[str, Any]] = {
    "unknown field": {"resourceType": "DocumentReference", "status": "current", "subject": SUBJECT, "colour": "red"},
    "wrong code": {"resourceType": "DocumentReference", "status": "lost", "subject": SUBJECT, "content": []},
    "no subject": {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {}}]},
    "wrong category": {"resourceType": "Communication", "status": "completed", "subject": SUBJECT, "payload": []},
    "no visit": {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": "x"}]},
    "wrong date": {"resourceType": "Communication", "status": "completed", "sent": "2026-02-30T00:00:00Z"},
    "a null": {"resourceType": "Communication", "status": "completed", "subject": None},
    "no participant": {"resourceType": "Appointment", "status": "booked"},
    "not a patient's": {"resourceType": "Condition", "subject": SUBJECT, "code": CODE},
    "not yours to say": {"resourceType": "Patient", "id": "patient-001", "birthDate": "1900-01-01"},
}


async def _kept(platform: Platform) -> tuple[int, int]:
    """How many resources and past versions the record holds."""
    owner = await connect_as("yuzhen_owner", platform.settings)
    try:
        row = await owner.fetchrow("select (select count(*) from record.resource), (select count(*) from record.past)")
    finally:
        await owner.close()
    assert row is not None
    return row[0], row[1]


@pytest.fixture
async def http(platform: Platform) -> AsyncIterator[aiohttp.ClientSession]:
    """Requests of the first patient."""
    token = await asyncio.to_thread(platform.token, "patient-001")
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}", "content-type": FHIR}) as one:
        yield one


async def test_nothing_is_half_written(platform: Platform, http: aiohttp.ClientSession) -> None:
    """A resource that is half right is refused with its reason, and leaves neither a row nor a version."""
    before = await _kept(platform)
    for name, resource in HALF_RIGHT.items():
        address = f"{platform.address}/fhir/{resource['resourceType']}"
        puts = "id" in resource
        ask = http.put(f"{address}/{resource['id']}", json=resource) if puts else http.post(address, json=resource)
        async with ask as answer:
            outcome = orjson.loads(await answer.read())
            assert 400 <= answer.status < 500, (name, outcome)
            assert outcome["resourceType"] == "OperationOutcome", name
            assert outcome["issue"][0]["details"]["text"], name
    assert await _kept(platform) == before
