"""Live words reach the pages of those they are for, for as long as their token lives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from redis.asyncio import Redis

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.clock import SystemClock
from services.identity.app import load_key
from tests.support.platform import Platform

pytestmark = pytest.mark.slow

ME, OTHER = "Patient/patient-020", "Patient/patient-021"


def _token(platform: Platform, by: Principal) -> str:
    settings = platform.settings
    return issue(by, key=load_key(settings), issuer=settings.issuer, issued_at=SystemClock().now())


def _patient(seconds: float = 600) -> Principal:
    expires_at = SystemClock().now() + timedelta(seconds=seconds)
    return Principal("patient-020", Role.PATIENT, ME, (), "", "live", expires_at)


def _doctor() -> Principal:
    expires_at = SystemClock().now() + timedelta(minutes=10)
    clinics = ("HealthcareService/clinic-live",)
    return Principal("doctor-live", Role.PRACTITIONER, "Practitioner/doctor-live", clinics, "", "live", expires_at)


@asynccontextmanager
async def _page(platform: Platform, by: Principal) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{platform.address}/live") as page:
        await page.send_json({"token": _token(platform, by)})
        assert await page.receive_json(timeout=10) == {"ready": True}
        yield page


async def _say(platform: Platform, *words: tuple[str, str]) -> None:
    redis = Redis.from_url(platform.settings.redis_url)
    for reference, word in words:
        await redis.publish(f"live:{reference}", word)
    await redis.aclose()


async def _look(page: aiohttp.ClientWebSocketResponse) -> str:
    """The next word that names a resource; a new subscription may first say to look at everything."""
    while (word := (await page.receive_json(timeout=10))["look"]) == "*":
        pass
    return str(word)


async def test_only_own_words_are_heard(platform: Platform) -> None:
    """A patient's page hears words for that patient and none for another, nor for a clinic."""
    async with _page(platform, _patient()) as page:
        strange = [(OTHER, "Appointment/his"), ("HealthcareService/clinic-live", "Appointment/theirs")]
        await _say(platform, *strange, (ME, "Appointment/mine"))
        assert await _look(page) == "Appointment/mine"


async def test_a_doctor_hears_the_clinic(platform: Platform) -> None:
    """A doctor's page hears words for the doctor and for the own clinic."""
    async with _page(platform, _doctor()) as page:
        await _say(platform, ("HealthcareService/clinic-live", "Appointment/a"), ("Practitioner/doctor-live", "Task/b"))
        assert {await _look(page), await _look(page)} == {"Appointment/a", "Task/b"}


async def test_a_page_is_closed_when_its_token_ends(platform: Platform) -> None:
    """The token that opened a page also ends it: 4401, sign in again."""
    async with _page(platform, _patient(seconds=2)) as page:
        closed = await page.receive(timeout=20)
        while closed.type is aiohttp.WSMsgType.TEXT:
            closed = await page.receive(timeout=20)
        assert (closed.type, page.close_code) == (aiohttp.WSMsgType.CLOSE, 4401)


async def test_what_a_page_says_is_not_listened_to(platform: Platform) -> None:
    """Nothing a page sends after its token opens another's channel or ends the page."""
    async with _page(platform, _patient()) as page:
        await page.send_json({"token": _token(platform, _doctor())})
        await page.send_str("x" * 10_000)
        await _say(platform, ("Practitioner/doctor-live", "Task/b"))
        await _say(platform, (ME, "Appointment/mine"))
        assert await _look(page) == "Appointment/mine"
