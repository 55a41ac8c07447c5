import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import orjson
import pytest
from joserfc.jwk import ECKey

from tests.support.platform import Platform

VERIFIER = "a" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Browser:
    """What a browser does to sign somebody in."""

    def __init__(self, platform: Platform, http: aiohttp.ClientSession) -> None:
        self.base = platform.address
        self.password = platform.password
        self.http = http

    def grant(self, **changes: str) -> dict[str, str]:
        """An application's request."""
        usual = {
            "response_type": "code",
            "client_id": "yuzhen-web",
            "redirect_uri": f"{self.base}/",
            "state": "state-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {**usual, **changes}

    async def page(self, **changes: str) -> tuple[int, str]:
        """The sign-in page."""
        async with self.http.get(f"{self.base}/authorize", params=self.grant(**changes)) as answer:
            return answer.status, await answer.text()

    async def submit(self, login: str, password: str, **changes: str) -> tuple[int, str]:
        """Fill in the form; status, and where it leads or what it says."""
        form = {**self.grant(**changes), "login": login, "password": password}
        async with self.http.post(f"{self.base}/authorize", data=form, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", "") or await answer.text()

    async def code(self, login: str) -> str:
        """A code for somebody who signs in rightly."""
        _, location = await self.submit(login, self.password)
        return parse_qs(urlsplit(location).query)["code"][0]

    async def token(self, **form: str) -> tuple[int, dict[str, str]]:
        """Ask for tokens."""
        usual = {
            "grant_type": "authorization_code",
            "redirect_uri": f"{self.base}/",
            "client_id": "yuzhen-web",
            "code_verifier": VERIFIER,
        }
        async with self.http.post(f"{self.base}/token", data={**usual, **form}) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def refresh(self, token: str) -> tuple[int, dict[str, str]]:
        """Ask for new tokens."""
        return await self.token(grant_type="refresh_token", refresh_token=token)

    async def keys(self, method: str, token: str, path: str = "", body: object = None) -> tuple[int, dict[str, str]]:
        """Ask about signing keys."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        content = orjson.dumps(body) if body is not None else None
        url = f"{self.base}/identity/signing-keys{path}"
        async with self.http.request(method, url, data=content, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, orjson.loads(raw) if raw else {}


@pytest.fixture
async def browser(platform: Platform) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as http:
        yield Browser(platform, http)


async def test_a_person_signs_in(browser: Browser) -> None:
    """Right name and password lead back with a code and the application's state; the code becomes tokens once."""
    status, location = await browser.submit("patient-010", browser.password)
    assert status == 303
    query = parse_qs(urlsplit(location).query)
    assert query["state"] == ["state-1"]
    assert location.startswith(f"{browser.base}/?")
    status, tokens = await browser.token(code=query["code"][0])
    assert (status, tokens["token_type"]) == (200, "Bearer")
    status, _ = await browser.token(code=query["code"][0])
    assert status == 400


async def test_a_stolen_code_is_worth_nothing(browser: Browser) -> None:
    """Without the verifier, or for another client or address, a code gives no tokens, and is spent."""
    for wrong in ({"code_verifier": "b" * 64}, {"client_id": "other"}, {"redirect_uri": "https://evil.example/"}):
        code = await browser.code("patient-011")
        assert (await browser.token(code=code, **wrong))[0] == 400
        assert (await browser.token(code=code))[0] == 400
    assert (await browser.token(code=secrets.token_urlsafe(32)))[0] == 400


async def test_refresh_tokens_are_used_once(browser: Browser) -> None:
    """A refresh token used twice ends the whole sign-in: one of its two users is a thief."""
    _, first = await browser.token(code=await browser.code("patient-012"))
    status, second = await browser.refresh(first["refresh_token"])
    assert status == 200
    assert (await browser.refresh(first["refresh_token"]))[0] == 400
    assert (await browser.refresh(second["refresh_token"]))[0] == 400


async def test_signing_out_ends_it(browser: Browser) -> None:
    """After signing out the refresh token gives nothing."""
    _, tokens = await browser.token(code=await browser.code("patient-013"))
    form = {"refresh_token": tokens["refresh_token"]}
    async with browser.http.post(f"{browser.base}/sign-out", data=form) as answer:
        assert answer.status == 204
    assert (await browser.refresh(tokens["refresh_token"]))[0] == 400


async def test_wrong_passwords_are_counted(browser: Browser) -> None:
    """After eight wrong passwords even the right one waits, and the page says so; others are not concerned."""
    for _ in range(8):
        status, page = await browser.submit("patient-014", "wrong")
        assert status == 401
        assert 'role="alert"' in page
    assert (await browser.submit("patient-014", browser.password))[0] == 429
    assert (await browser.submit("patient-015", browser.password))[0] == 303


async def test_an_unknown_name_sounds_like_a_wrong_password(browser: Browser) -> None:
    """Nobody learns from the page which accounts exist."""
    unknown, wrong = await browser.submit("nobody", "x"), await browser.submit("patient-016", "x")
    assert unknown[0] == wrong[0] == 401
    assert _alert(unknown[1]) == _alert(wrong[1])


async def test_only_our_client_and_address_are_served(browser: Browser) -> None:
    """Another client, another address to return to, or no proof of possession: no page is shown."""
    for wrong in (
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{browser.base}/elsewhere"},
        {"client_id": "other"},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
    ):
        assert (await browser.page(**wrong))[0] == 400, wrong


async def test_hostile_words_stay_words(browser: Browser) -> None:
    """What an address or a name brings along is shown as text, and odd bytes are no fault."""
    hostile = '"><script>alert(1)</script>'
    _, page = await browser.page(state=hostile)
    _, again = await browser.submit(hostile, "x", state=hostile)
    assert "<script" not in page + again
    assert (await browser.submit("\0", "\0"))[0] == 401


async def test_a_signing_key_is_enrolled_with_the_password(browser: Browser, platform: Platform) -> None:
    """A doctor's public key is kept under its thumbprint; without the password, or with a private part, it is not."""
    key, doctor = ECKey.generate_key("P-256"), await asyncio.to_thread(platform.token, "doctor-020")
    public = key.as_dict(private=False)
    status, kept = await browser.keys("POST", doctor, body={"jwk": public, "password": browser.password})
    assert (status, kept["kid"], kept["holder"]) == (201, key.thumbprint(), "Practitioner/doctor-020")
    assert "d" not in kept["jwk"]
    for body in (
        {"jwk": key.as_dict(private=True), "password": browser.password},
        {"jwk": {"kty": "oct", "k": "AA"}, "password": browser.password},
        {"jwk": {**public, "x": "\0"}, "password": browser.password},
    ):
        assert (await browser.keys("POST", doctor, body=body))[0] == 400
    assert (await browser.keys("POST", doctor, body={"jwk": public, "password": "x"}))[0] == 401


async def test_a_signing_key_has_one_holder(browser: Browser, platform: Platform) -> None:
    """Nobody enrols or revokes another's key; patients have none; a revoked key stays known as revoked."""
    public = ECKey.generate_key("P-256").as_dict(private=False)
    body = {"jwk": public, "password": browser.password}
    one, other, patient = [
        await asyncio.to_thread(platform.token, login) for login in ("doctor-021", "doctor-022", "patient-017")
    ]
    _, kept = await browser.keys("POST", one, body=body)
    assert (await browser.keys("POST", other, body=body))[0] == 409
    assert (await browser.keys("DELETE", other, f"/{kept['kid']}"))[0] == 403
    assert (await browser.keys("POST", patient, body=body))[0] == 403
    assert (await browser.keys("DELETE", one, f"/{kept['kid']}"))[0] == 204
    _, shown = await browser.keys("GET", other, f"/{kept['kid']}")
    assert shown["revokedAt"]


def _alert(page: str) -> str:
    return "".join(re.findall(r'role="alert"[^>]*>([^<]*)<', page))
