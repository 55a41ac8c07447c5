"""One visit as it goes: who takes part, what it has come to, and how a step fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from kernel.clock import Clock
from yuzhen.demo.api import Person, Refused, Resource


class StepFailed(Exception):
    """A step of the visit did not go as it must."""


@dataclass(slots=True)
class Done:
    """A finished step."""

    name: str
    seconds: float
    shown: str


@dataclass(slots=True)
class Visit:
    """Everything the visit has come to so far."""

    http: aiohttp.ClientSession
    base: str
    password: str
    clock: Clock
    doctor_of: Callable[[str], str]
    """The demo login of a practitioner's reference."""
    done: list[Done] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)

    async def person(self, role: str, login: str) -> Person:
        """Sign somebody in under a role name of the story."""
        person = Person(self.http, self.base, login)
        await person.sign_in(self.password)
        self.people[role] = person
        return person


async def refused(attempt: Awaitable[Any], *, status: tuple[int, ...], code: str = "") -> str:
    """Expect a refusal; returns its code. Raises StepFailed when the attempt goes through or fails otherwise."""
    try:
        await attempt
    except Refused as no:
        if no.status not in status or not no.code.startswith(code):
            raise StepFailed(f"refused with {no.status} {no.code} instead of {status} {code}") from no
        return f"{no.status} {no.code}"
    raise StepFailed(f"was let through instead of refused ({code})")


async def eventually(look: Callable[[], Awaitable[Resource | None]], *, within: float = 20) -> Resource:
    """What a room does on another's word comes a moment later."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise StepFailed("what should have followed did not come: see the logs of consult and appointments")
