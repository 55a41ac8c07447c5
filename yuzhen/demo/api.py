"""The platform as any program outside sees it: sign-in, FHIR, live words, all over the public address."""

import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp
import orjson

Resource = dict[str, Any]
FHIR = "application/fhir+json"
PATIENCE = 8
"""Tries of a command whose answer got lost or whose room was away; always with the same Idempotency-Key."""


class Refused(Exception):
    """The platform said no, or could not be reached."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{status} {code}: {text}")
        self.status = status
        self.code = code
        self.text = text


@dataclass(slots=True)
class Person:
    """Somebody signed in through the browser's way: authorization code with PKCE."""

    http: aiohttp.ClientSession
    base: str
    login: str
    token: str = ""
    me: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The person's own resource."""
        return str(self.me["fhirUser"])

    async def sign_in(self, password: str) -> None:
        """Go through the sign-in page like a browser; while identity is away, from its first step again."""
        for attempt in range(PATIENCE):
            try:
                return await self._sign_in(password)
            except (Refused, aiohttp.ClientError) as away:
                if attempt == PATIENCE - 1 or (isinstance(away, Refused) and away.status != 503):
                    raise
            await asyncio.sleep(0.25 * 2 ** min(attempt, 4))

    async def _sign_in(self, password: str) -> None:
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        grant = {
            "response_type": "code",
            "client_id": "yuzhen-web",
            "redirect_uri": f"{self.base}/",
            "state": secrets.token_urlsafe(8),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "ui_locales": "en",
        }
        async with self.http.get(f"{self.base}/authorize", params=grant) as page:
            if page.status == 503:
                raise Refused(503, "sign-in", "the sign-in page is away")
            form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', await page.text()))
        filled = {**form, "login": self.login, "password": password}
        async with self.http.post(f"{self.base}/authorize", data=filled, allow_redirects=False) as back:
            if back.status != 303:
                why = "the sign-in page is away" if back.status == 503 else "account name or password was refused"
                raise Refused(back.status, "sign-in", why)
            code = parse_qs(urlsplit(back.headers["Location"]).query)["code"][0]
        exchange = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": grant["redirect_uri"],
            "client_id": grant["client_id"],
            "code_verifier": verifier,
        }
        async with self.http.post(f"{self.base}/token", data=exchange) as answer:
            tokens = await _read(answer)
        self.token = tokens["access_token"]
        self.me = await self.get("/identity/me")

    async def get(self, path: str, **query: str | list[str]) -> Any:
        """Read something."""
        pairs = [(n.replace("__", ":"), v) for n, vs in query.items() for v in ([vs] if isinstance(vs, str) else vs)]
        return await self._patiently("GET", path, params=pairs)

    async def exactly(self, path: str) -> bytes:
        """Read something as the very bytes it is kept in."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.get(f"{self.base}{path}", headers=headers) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise Refused(answer.status, "unreadable", path)
            return raw

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a command; if its answer is lost, the same command again with the same key."""
        kind = FHIR if path.startswith("/fhir") else "application/json"
        headers = {"Content-Type": kind, "Idempotency-Key": str(uuid4())}
        return await self._patiently("POST", path, data=orjson.dumps(body), headers=headers)

    async def delete(self, path: str) -> None:
        """Remove something."""
        await self._patiently("DELETE", path, headers={"Idempotency-Key": str(uuid4())})

    async def operate(self, path: str, **parameters: Any) -> Any:
        """Call a FHIR operation; names are written with _ for -, values as `value[x]` pairs, text or truth."""
        entries = [_parameter(name.replace("_", "-"), value) for name, value in parameters.items()]
        return await self.post(path, {"resourceType": "Parameters", "parameter": entries})

    async def _patiently(self, method: str, path: str, **request: Any) -> Any:
        request["headers"] = {**request.get("headers", {}), "Authorization": f"Bearer {self.token}"}
        for attempt in range(PATIENCE):
            try:
                async with self.http.request(method, f"{self.base}{path}", **request) as answer:
                    return await _read(answer)
            except Refused as refused:
                if refused.status != 503 or attempt == PATIENCE - 1:
                    raise
            except aiohttp.ClientError as away:
                if attempt == PATIENCE - 1:
                    raise Refused(0, "unreachable", type(away).__name__) from away
            await asyncio.sleep(0.25 * 2 ** min(attempt, 4))
        raise AssertionError


async def _read(answer: aiohttp.ClientResponse) -> Any:
    raw = await answer.read()
    body = orjson.loads(raw) if raw and "json" in answer.content_type else raw
    if answer.status >= 400:
        code, text = _why(body)
        raise Refused(answer.status, code, text)
    return body


def _why(body: Any) -> tuple[str, str]:
    if not isinstance(body, dict):
        return "unreadable", ""
    if body.get("resourceType") == "OperationOutcome":
        issue = body["issue"][0]
        details = issue.get("details", {})
        code = (details.get("coding") or [{"code": issue["code"]}])[0]["code"]
        return str(code), f"{details.get('text', '')} {issue.get('diagnostics', '')}".strip()
    return str(body.get("code", "")), f"{body.get('title', '')} {body.get('detail', '')}".strip()


def _parameter(name: str, value: Any) -> Resource:
    if isinstance(value, bool):
        return {"name": name, "valueBoolean": value}
    if isinstance(value, dict):
        return {"name": name, **value}
    return {"name": name, "valueString": str(value)}


def reference(to: str) -> Resource:
    """A reference as an operation's parameter."""
    return {"valueReference": {"reference": to}}


def instant(at: Any) -> Resource:
    """An instant as an operation's parameter."""
    return {"valueInstant": at.isoformat(timespec="seconds")}


def code(value: str) -> Resource:
    """A code as an operation's parameter."""
    return {"valueCode": value}


def out(parameters: Resource, name: str) -> Any:
    """A value that an operation returned."""
    for entry in parameters.get("parameter", []):
        if entry["name"] == name:
            return next(value for key, value in entry.items() if key.startswith(("value", "resource")))
    raise Refused(0, "incomplete", f"the answer has no parameter {name}")


def only(bundle: Resource) -> Resource:
    """The one resource of a Bundle."""
    entries = bundle.get("entry", [])
    if len(entries) != 1:
        raise Refused(0, "incomplete", f"expected one entry, found {len(entries)}")
    resource: Resource = entries[0]["resource"]
    return resource


def every(bundle: Resource) -> list[Resource]:
    """The resources of a Bundle."""
    return [entry["resource"] for entry in bundle.get("entry", [])]
