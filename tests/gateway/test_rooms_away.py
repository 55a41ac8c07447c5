"""The door stays open while the rooms behind it are away: it says so, and that trying again does no harm."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import orjson
import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from tests.support import rooms

PATIENT = "Patient/patient-away"


@pytest.fixture
async def settings(migrated: Settings) -> AsyncIterator[Settings]:
    """A gateway with identity beside it and no other room."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    alone = replace(migrated, port_number=port)
    async with rooms.running("gateway", alone):
        yield alone


async def _asked(settings: Settings, method: str, path: str, *, signed_in: bool = True) -> tuple[int, str, bytes]:
    """Status, Retry-After and body."""
    token = rooms.token(settings, Role.PATIENT, fhir_user=PATIENT)
    headers = {"authorization": f"Bearer {token}"} if signed_in else {}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{settings.address}{path}", headers=headers) as answer,
    ):
        return answer.status, answer.headers.get("Retry-After", ""), await answer.read()


@pytest.mark.parametrize("path", ["/fhir/Patient", "/fhir/Appointment/$find", "/fhir/Encounter/x", "/fhir/Task"])
async def test_a_room_that_is_away(settings: Settings, path: str) -> None:
    """What a room would answer is answered with 503, a time to try again and an OperationOutcome."""
    status, again, said = await _asked(settings, "GET", path)
    assert (status, again) == (503, "1")
    issue = orjson.loads(said)["issue"][0]
    assert issue["code"] == "transient"
    assert issue["details"]["coding"][0]["code"] == "room-away"


async def test_outside_fhir_it_is_a_problem(settings: Settings) -> None:
    """The same on other addresses, as RFC 9457 says it."""
    status, again, said = await _asked(settings, "GET", "/pharmacy/prescriptions/x/document")
    assert (status, again, orjson.loads(said)["code"]) == (503, "1", "room-away")


async def test_who_asks_is_checked_first(settings: Settings) -> None:
    """Without a token the answer is 401 and does not tell which rooms are away."""
    status, _, said = await _asked(settings, "GET", "/fhir/Patient", signed_in=False)
    assert status == 401
    assert b"away" not in said


async def test_the_gateway_is_not_ready_alone(settings: Settings) -> None:
    """`/readyz` names the rooms that are away, `/healthz` says that the process lives."""
    status, again, said = await _asked(settings, "GET", "/readyz")
    assert (status, again) == (503, "1")
    detail = orjson.loads(said)["detail"]
    assert "patients: away" in detail
    assert "identity" not in detail
    assert (await _asked(settings, "GET", "/healthz"))[0] == 200


async def test_half_a_capability_statement_is_none(settings: Settings) -> None:
    """What the house can do is not said while a room cannot say its part."""
    status, again, said = await _asked(settings, "GET", "/fhir/metadata")
    assert (status, again) == (503, "1")
    assert orjson.loads(said)["resourceType"] == "OperationOutcome"


async def test_sign_in_works_meanwhile(settings: Settings) -> None:
    """Identity answers as ever: the others' absence is not its own."""
    status, _, said = await _asked(settings, "GET", "/.well-known/jwks.json", signed_in=False)
    assert status == 200
    assert orjson.loads(said)["keys"][0]["kty"] == "EC"
