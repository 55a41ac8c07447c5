"""Two patients after their visits, and strangers who are curious about the one of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.journeys.walked import Walked, walked
from tests.support.platform import Platform
from tests.support.postgres import connect_as
from yuzhen.demo.dispensing import review

HIM, HER = "patient-001", "patient-002"


@dataclass(frozen=True, slots=True)
class Row:
    """One resource of the victim's record."""

    type: str
    id: str
    version: int
    body: Mapping[str, Any]

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Said:
    """What was asked and what came back."""

    question: str
    status: int
    body: bytes

    def mentions(self, secret: str) -> bool:
        """Whether the answer tells something that the question did not."""
        return secret.encode() in self.body and secret not in self.question


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who is signed in, and not concerned."""

    login: str
    http: aiohttp.ClientSession
    base: str
    token: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        """One request; header names with _ for -."""
        sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        content = body if body is None or isinstance(body, str) else orjson.dumps(body).decode()
        if content is not None:
            sent.setdefault("content-type", "application/fhir+json")
        async with self.http.request(method, f"{self.base}{path}", data=content, headers=sent) as answer:
            return Said(f"{method} {path} {content or ''}", answer.status, await answer.read())


@dataclass(frozen=True, slots=True)
class Scene:
    """Two patients' finished visits, the one's whole record, and what the server says it can do."""

    platform: Platform
    his: Walked
    hers: Walked
    unfilled: Walked
    """A further visit of his, whose prescription waits for review."""
    rows: tuple[Row, ...]
    facts: tuple[str, ...]
    """Name, telephone, identity number: what must not be told."""
    capability: Mapping[str, Mapping[str, Any]]
    strangers: Mapping[str, str]
    """Role -> login."""

    def of(self, type_: str) -> list[Row]:
        return [row for row in self.rows if row.type == type_]

    def leaks(self, said: Said) -> list[str]:
        """What an answer tells of his record."""
        return [secret for secret in (*self.facts, *(row.id for row in self.rows)) if said.mentions(secret)]


async def his_rows(platform: Platform) -> tuple[Row, ...]:
    """His whole record as it stands, and some of who saw it."""
    owner = await connect_as("yuzhen_owner", platform.settings)
    try:
        found = await owner.fetch(
            "select type, id, version, body from record.resource where patient = $1 and not deleted", HIM
        )
        events = await owner.fetch("select id from record.audit where patient = $1 order by at desc limit 50", HIM)
    finally:
        await owner.close()
    kept = [Row(one["type"], one["id"], one["version"], orjson.loads(one["body"])) for one in found]
    return (*kept, *(Row("AuditEvent", one["id"], 1, {}) for one in events))


async def _uninvolved_doctor(platform: Platform) -> str:
    """A doctor whose clinics never had him in care."""
    owner = await connect_as("yuzhen_owner", platform.settings)
    try:
        clinics = {one["clinic"] for one in await owner.fetch("select clinic from record.care where patient = $1", HIM)}
        accounts = await owner.fetch("select login, clinics from identity.account where role = 'practitioner'")
    finally:
        await owner.close()
    return min(str(one["login"]) for one in accounts if not clinics & set(one["clinics"]))


def set_scene(platform: Platform) -> Scene:
    """Play the visits, and choose the strangers."""
    his = walked(platform, {})
    unfilled = walked(platform, {}, until=review)
    hers = walked(platform, {HIM: HER})
    rows = asyncio.run(his_rows(platform))
    person = next(row.body for row in rows if row.type == "Patient")
    facts = (person["name"][0]["text"], person["telecom"][0]["value"], person["identifier"][0]["value"])
    chosen = his.people["pharmacist"]["login"]
    strangers = {
        "patient": HER,
        "practitioner": asyncio.run(_uninvolved_doctor(platform)),
        "pharmacist": next(p for p in ("pharmacist-003", "pharmacist-004") if p != chosen),
        "reviewer elsewhere": "pharmacist-002",
        "admin": "admin",
    }
    capability = asyncio.run(_capability(platform))
    return Scene(platform, his, hers, unfilled, rows, facts, capability, strangers)


async def _capability(platform: Platform) -> dict[str, dict[str, Any]]:
    async with aiohttp.ClientSession() as http, http.get(f"{platform.address}/fhir/metadata") as answer:
        said = orjson.loads(await answer.read())
    return {one["type"]: one for one in said["rest"][0]["resource"]}
