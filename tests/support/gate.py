"""The running platform's public door, asked over HTTP in somebody's name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from kernel.auth.principal import Principal, Role
from tests.support.platform import Platform
from tests.support.record import Answer
from tests.support.rooms import principal, token_of

FHIR = "application/fhir+json"
ITSELF = principal(Role.SYSTEM, account="integrator")
"""Another system of the hospital."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The door of the FHIR interface."""

    http: aiohttp.ClientSession
    base: str
    token: str

    async def ask(self, method: str, path: str, *, body: Any = None, **headers: str) -> Answer:
        """One request to an address below /fhir; header names have underscores for hyphens."""
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("authorization", f"Bearer {self.token}")
        if content is not None:
            sent.setdefault("content-type", FHIR)
        url = URL(path if path.startswith("http") else f"{self.base}{path}", encoded=True)
        async with self.http.request(method, url, data=content, headers=sent, allow_redirects=False) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, names, await answer.read())


@asynccontextmanager
async def gate_of(platform: Platform, by: Principal = ITSELF) -> AsyncIterator[Gate]:
    """The door for someone who has signed in."""
    async with aiohttp.ClientSession() as http:
        yield Gate(http, f"{platform.address}/fhir", token_of(platform.settings, by))
