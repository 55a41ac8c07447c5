import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from yarl import URL

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.clock import SystemClock
from services.identity.app import load_key
from tests.support.platform import Platform

FHIR = "application/fhir+json"


async def ask(
    platform: Platform, method: str, path: str, *, token: str = "", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request through the public door, its address unchanged."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        sent["authorization"] = f"Bearer {token}"
    url = URL(f"{platform.address}{path}", encoded=True)
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, data=body, headers=sent, allow_redirects=False) as answer,
    ):
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read()


def principal(expires: timedelta) -> Principal:
    """The demo's first patient, as a token names that patient."""
    expires_at = SystemClock().now() + expires
    return Principal("patient-001", Role.PATIENT, "Patient/patient-001", (), "", "t", expires_at)


@pytest.fixture(scope="module")
def patient(platform: Platform) -> str:
    return platform.token("patient-001")


BOOK = "/fhir/Appointment/$book"
BODIES = {
    "not JSON": b'{"resourceType": "Parameters"',
    "not an object": b"[1, 2]",
    "empty": b"",
    "unknown field": b'{"resourceType": "Parameters", "colour": "red"}',
    "wrong type": b'{"resourceType": "Patient"}',
    "NUL": b'{"resourceType": "Parameters", "parameter": [{"name": "a\\u0000", "valueString": "x"}]}',
    "not UTF-8": b'{"resourceType": "\xff\xfe"}',
    "deep": b'{"resourceType": "Parameters", "parameter": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "nothing asked": b'{"resourceType": "Parameters"}',
    "a number too large": b'{"resourceType": "Parameters", "parameter": [{"name": "a", "valueInteger": 1e400}]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_unreadable_bodies_are_refused(platform: Platform, patient: str, body: bytes) -> None:
    """Whatever is wrong with a body, the answer is an OperationOutcome that names it, never a fault of ours."""
    status, headers, said = await ask(platform, "POST", BOOK, token=patient, body=body, content_type=FHIR)
    assert 400 <= status < 500, said
    assert headers["content-type"].startswith(FHIR)
    outcome = orjson.loads(said)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["details"]["text"]


FIND = "/fhir/Appointment/$find?start="
ADDRESSES = {
    "unknown type": ("GET", "/fhir/Starship", 404),
    "unknown path": ("GET", "/nowhere", 404),
    "unknown operation": ("POST", "/fhir/Appointment/$steal", 404),
    "wrong method": ("PUT", "/fhir/Patient/patient-001/_history/1", 405),
    "no patch": ("PATCH", "/fhir/Patient/patient-001", 415),
    "no bundle": ("POST", "/fhir", 400),
    "the base itself": ("GET", "/fhir", 405),
    "what is published": ("PUT", "/fhir/SearchParameter/x", 405),
    "odd id": ("GET", "/fhir/Patient/%00", 404),
    "long id": ("GET", "/fhir/Patient/" + "a" * 500, 404),
    "trailing slash": ("GET", "/fhir/Patient/", 404),
    "out of the folder": ("GET", "/assets/..%2f..%2fpyproject.toml", 404),
    "no asset": ("GET", "/assets/%00", 404),
    "up and over": ("GET", "/fhir/../identity/me", 404),
    "metrics": ("GET", "/metrics", 404),
    "unknown parameter": ("GET", "/fhir/Appointment?colour=red", 400),
    "unknown modifier": ("GET", "/fhir/Appointment?date:sounds-like=x", 400),
    "odd date": ("GET", "/fhir/Appointment?date=yesterday", 400),
    "odd count": (
        "GET",
        FIND + "2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z&_count=%C2%B2",
        400,
    ),
    "end of time": (
        "GET",
        FIND + "0001-01-01T00:00:00%2B14:00&end=9999-12-31T23:59:59-12:00",
        400,
    ),
    "forged page": ("GET", "/fhir/Appointment?_page=AAAA", 400),
    "odd key": ("GET", "/identity/signing-keys/%00", 404),
}


@pytest.mark.parametrize(("method", "path", "expected"), ADDRESSES.values(), ids=ADDRESSES.keys())
async def test_odd_addresses_are_refused(
    platform: Platform, patient: str, method: str, path: str, expected: int
) -> None:
    """An address that leads nowhere gets a sentence and its status, and no inner name."""
    status, headers, said = await ask(platform, method, path, token=patient, content_type=FHIR)
    assert status == expected, said
    assert b".sock" not in said
    assert "location" not in headers


async def test_forms_are_negotiated(platform: Platform, patient: str) -> None:
    """XML is not to be had, and a body that does not say it is JSON is not read."""
    status, _, _ = await ask(platform, "GET", "/fhir/Patient/patient-001", token=patient, accept="application/fhir+xml")
    assert status == 406
    status, _, _ = await ask(platform, "POST", BOOK, token=patient, body=b"<a/>", content_type="application/xml")
    assert status == 415


async def test_a_large_body_is_refused(platform: Platform, patient: str) -> None:
    """Ten megabytes are too much, whether their length is said before or not."""
    status, _, said = await ask(platform, "POST", BOOK, token=patient, body=b"x" * 10_000_000, content_type=FHIR)
    assert status == 413, said

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    url = f"{platform.address}{BOOK}"
    headers = {"authorization": f"Bearer {patient}", "content-type": FHIR}
    async with aiohttp.ClientSession() as http, http.post(url, data=pieces(), headers=headers) as answer:
        assert answer.status == 413


async def test_an_endless_header_is_refused(platform: Platform) -> None:
    """A header of a megabyte ends the connection instead of being collected."""
    with socket.create_connection(("127.0.0.1", platform.settings.port), timeout=10) as door:
        door.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        try:
            for _ in range(40):
                door.sendall(b"a" * 65_536)
            answered = door.recv(64)
        except OSError:
            answered = b""
    assert b"200" not in answered


def with_public_key_as_secret(claims: dict[str, object], public: bytes) -> str:
    """The classic forgery: HS256 with the published key as the shared secret."""
    parts = [base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in ({"alg": "HS256"}, claims)]
    seal = hmac.new(public, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(seal).rstrip(b"=")]).decode()


def tokens(platform: Platform) -> dict[str, str]:
    """Tokens that are not ours to give, or not any more."""
    key, issuer, now = load_key(platform.settings), platform.settings.issuer, SystemClock().now()
    claims = {
        **{"iss": issuer, "aud": "yuzhen", "sub": "patient-001", "role": "patient", "jti": "x"},
        **{"fhirUser": "Patient/patient-001", "iat": 1, "exp": int(now.timestamp()) + 600},
    }
    stranger, public = ECKey.generate_key("P-256", {"kid": str(key.kid)}), key.as_pem(private=False)
    return {
        "expired": issue(principal(timedelta(seconds=-1)), key=key, issuer=issuer, issued_at=now),
        "another issuer": issue(principal(timedelta(hours=1)), key=key, issuer="https://x", issued_at=now),
        "another key": issue(principal(timedelta(hours=1)), key=stranger, issuer=issuer, issued_at=now),
        "another audience": jwt.encode({"alg": "ES256"}, {**claims, "aud": "else"}, key, algorithms=["ES256"]),
        "public key as secret": with_public_key_as_secret(claims, public),
        "without signature": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "unknown role": jwt.encode({"alg": "ES256"}, {**claims, "role": "god"}, key, algorithms=["ES256"]),
        "end of time": jwt.encode({"alg": "ES256"}, {**claims, "exp": 10**30}, key, algorithms=["ES256"]),
        "no token": "x" * 40,
        "long": "x" * 20_000,
    }


async def test_foreign_tokens_open_nothing(platform: Platform) -> None:
    """Expired, forged and foreign tokens are refused with 401 at every kind of door."""
    for name, token in tokens(platform).items():
        for path in ("/fhir/Patient/patient-001", "/identity/me", "/consult/rooms/x/participants"):
            status, headers, said = await ask(platform, "GET", path, token=token)
            assert status == 401, (name, path, said)
            assert headers["www-authenticate"].startswith("Bearer")
    status, _, _ = await ask(platform, "GET", "/fhir/Patient/patient-001")
    assert status == 401


async def test_pages_keep_to_themselves(platform: Platform, patient: str) -> None:
    """Pages and answers carry the headers that bind a browser to this house, and no other site may read them."""
    for path in ("/", "/fhir/metadata", "/nowhere"):
        _, headers, _ = await ask(platform, "GET", path, token=patient, origin="https://elsewhere.example")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not any(name.startswith("access-control") for name in headers)


async def test_live_words_need_a_token(platform: Platform, patient: str) -> None:
    """A page that cannot say who it is for is closed; one that can is told that it listens."""
    async with aiohttp.ClientSession() as http:
        for first in ("{}", "no json", '{"token": "x"}', '{"token": ["a"]}'):
            async with http.ws_connect(f"{platform.address}/live") as page:
                await page.send_str(first)
                said = await page.receive(timeout=10)
                assert (said.type, page.close_code) == (aiohttp.WSMsgType.CLOSE, 4401), first
        async with http.ws_connect(f"{platform.address}/live") as page:
            await page.send_json({"token": patient})
            assert await page.receive_json(timeout=10) == {"ready": True}


async def test_an_answer_s_name_comes_back(platform: Platform, patient: str) -> None:
    """Each answer names its request, so that a person can ask about it."""
    _, one, _ = await ask(platform, "GET", "/identity/me", token=patient)
    _, two, _ = await ask(platform, "GET", "/identity/me", token=patient)
    assert one["x-request-id"] != two["x-request-id"]


async def test_the_capability_statement_is_of_the_whole_house(platform: Platform) -> None:
    """Everybody may read what is served: every type of every room, in FHIR 4.0.1."""
    status, _, said = await ask(platform, "GET", "/fhir/metadata")
    statement = orjson.loads(said)
    types = {one["type"] for one in statement["rest"][0]["resource"]}
    assert status == 200
    assert statement["fhirVersion"] == "4.0.1"
    assert {"Patient", "Appointment", "Encounter", "MedicationRequest", "Task", "AuditEvent"} <= types


async def test_a_compressed_body_is_refused_as_such(platform: Platform, patient: str) -> None:
    """A body with a Content-Encoding is 415, not called broken JSON."""
    status, _, said = await ask(
        platform, "POST", BOOK, token=patient, body=b"\x1f\x8b", content_type=FHIR, content_encoding="gzip"
    )
    assert (status, orjson.loads(said)["issue"][0]["details"]["coding"][0]["code"]) == (415, "body-compressed")
