"""The platform as the load sees it: transactions and searches through the public door, patiently repeated.

https://hl7.org/fhir/R4/http.html#transaction
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

FHIR = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same request may do better."""
TRIES = 12
LONGEST_WAIT = 10.0


class Stopped(Exception):
    """The load cannot go on; what was entered stays, and a new start goes on from there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status and FHIR resource."""

    status: int
    resource: dict[str, Any]

    @property
    def issues(self) -> list[dict[str, Any]]:
        return list(self.resource.get("issue", ()))

    @property
    def codes(self) -> list[str]:
        """The codes of a refusal."""
        return [code(issue) for issue in self.issues]


class Gateway:
    """One platform. `token` gives the access token to use now, and is asked anew when one has expired."""

    def __init__(self, http: aiohttp.ClientSession, address: str, token: Callable[[], str]) -> None:
        self._http = http
        self._base = address.rstrip("/")
        self._fresh = token
        self._token = token()

    async def check(self) -> None:
        """The token is one of a system, which alone may bring in histories. Raises Stopped."""
        role = (await self._patiently("GET", "/identity/me")).resource.get("role")
        if role != "system":
            raise Stopped(f"Histories are brought in by systems; the access token is of the role '{role}'.")

    async def transaction(self, entries: Sequence[bytes]) -> Answer:
        """Carry out these entries, all or none. Raises Stopped."""
        body = b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join(entries) + b"]}"
        return await self._patiently("POST", "/fhir", body, FHIR)

    async def present(self, type_: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Those of these resources that the record holds. Raises Stopped."""
        form = f"_id={','.join(ids)}&_count={len(ids)}".encode()
        answer = await self._patiently("POST", f"/fhir/{type_}/_search", form, FORM)
        if answer.status != 200:
            return []
        return [entry["resource"] for entry in answer.resource.get("entry", ()) if entry["search"]["mode"] == "match"]

    async def version(self, reference: str, version: str) -> dict[str, Any]:
        """One version of a resource, empty when it cannot be read. Raises Stopped."""
        answer = await self._patiently("GET", f"/fhir/{reference}/_history/{quote(version)}")
        return answer.resource if answer.status == 200 else {}

    async def _patiently(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Answer:
        for attempt in range(TRIES):
            try:
                answer, wait = await self._once(method, path, body, kind)
            except (aiohttp.ClientError, TimeoutError, OSError):
                answer, wait = None, 0.0
            if answer is not None and answer.status == 401:
                self._renew()
            elif answer is not None and answer.status not in AGAIN and not _crossed(answer):
                return answer
            await asyncio.sleep(max(wait, random.uniform(0.5, 1) * min(0.1 * 2**attempt, LONGEST_WAIT)))  # noqa: S311
        raise Stopped("The platform does not answer. What was entered stays: start again when it runs.")

    async def _once(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[Answer, float]:
        headers = {"Authorization": f"Bearer {self._token}", "Prefer": "return=minimal"}
        if kind:
            headers["Content-Type"] = kind
        async with self._http.request(method, self._base + path, data=body, headers=headers) as answer:
            content = await answer.read()
            wait = answer.headers.get("Retry-After", "0")
            resource = orjson.loads(content) if content and "json" in answer.content_type else {}
            return Answer(answer.status, resource), float(wait) if wait.isdigit() else 0.0

    def _renew(self) -> None:
        fresh = self._fresh()
        if fresh == self._token:
            raise Stopped("The access token is not accepted, or has expired. Start again with a fresh one.")
        self._token = fresh


def _crossed(answer: Answer) -> bool:
    """Whether two changes crossed, so that the same request does better the next time."""
    return answer.status == 409 and "crossed" in answer.codes


def code(issue: dict[str, Any]) -> str:
    """One issue's code: ours, or HL7's where there is none."""
    coding = issue.get("details", {}).get("coding") or [{"code": issue.get("code", "")}]
    return str(coding[0].get("code", ""))
