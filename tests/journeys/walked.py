"""Whole visits played in this process, so that a test knows everything that came of them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from kernel.clock import SystemClock
from tests.support.platform import Platform
from yuzhen.demo.api import Person
from yuzhen.demo.story import STEPS
from yuzhen.demo.visit import Visit


@dataclass(slots=True)
class CastVisit(Visit):
    """The demonstration's visit with other people in it: `cast` says who plays whose part."""

    cast: Mapping[str, str] = field(default_factory=dict)

    async def person(self, role: str, login: str) -> Person:
        """Sign in whoever plays the part."""
        person = Person(self.http, self.base, self.cast.get(login, login))
        await person.sign_in(self.password)
        self.people[role] = person
        return person


@dataclass(frozen=True, slots=True)
class Walked:
    """What is left of a visit: ids of its resources, who took part."""

    ids: Mapping[str, str]
    resources: Mapping[str, Any]
    people: Mapping[str, Mapping[str, Any]]
    """Part -> what `/identity/me` says of the person."""


def walked(platform: Platform, cast: Mapping[str, str], *, until: Callable[..., Any] | None = None) -> Walked:
    """Play a visit to its end, or until before a step."""
    return asyncio.run(_walk(platform, cast, until))


async def _walk(platform: Platform, cast: Mapping[str, str], until: Callable[..., Any] | None) -> Walked:
    async with aiohttp.ClientSession() as http:
        visit = CastVisit(
            http,
            platform.address,
            platform.password,
            SystemClock(platform.settings.offset),
            doctor_of=lambda reference: reference.removeprefix("Practitioner/"),
            cast=cast,
        )
        for step in STEPS:
            if step is until:
                break
            await step(visit)
        for peer in visit.resources.pop("peers", ()):
            await peer.leave()
        people = {role: dict(person.me) for role, person in visit.people.items()}
        return Walked(visit.ids, visit.resources, people)
