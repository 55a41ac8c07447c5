"""Requests made up from the OpenAPI document and from HL7's examples, by the thousand: no answer is a fault of ours."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import requests

from tests.gateway.fuzzing import SEED, faults, fuzz, operations, shallow
from tests.gateway.odd_requests import Odd, odd_requests
from tests.support.gate import gate_of
from tests.support.platform import Platform, running_platform

Line = tuple[str, str, str, bool]
EXAMPLES = 3
ODD = 20_000
AT_ONCE = 8


def lines() -> Iterator[Line]:
    """Both kinds, on one platform."""
    with running_platform() as platform:
        document = requests.get(f"{platform.address}/fhir/openapi.json", timeout=60).json()
        found = fuzz(platform, operations(shallow(document)), examples=EXAMPLES)
        yield (
            "requests made up from the OpenAPI document",
            "no fault",
            _told(found.sent, found.faults),
            not found.faults,
        )
        bad = asyncio.run(_odd(platform))
        yield "examples with one thing wrong, odd searches", "no fault", _told(ODD, bad), not bad


def _told(sent: int, bad: Sequence[str]) -> str:
    return f"{len(bad)} of {sent}" + (f", such as {bad[0][:200]}" if bad else "")


async def _odd(platform: Platform) -> list[str]:
    bad: list[str] = []
    async with gate_of(platform) as gate:
        said = (await gate.ask("GET", "/metadata")).json
        searched: Mapping[str, Sequence[str]] = {
            one["type"]: [parameter["name"] for parameter in one.get("searchParam", ())]
            for one in said["rest"][0]["resource"]
        }
        left = odd_requests(ODD, seed=SEED + 1, searched=searched)

        async def some() -> None:
            for odd in left:
                answer = await gate.ask(odd.method, odd.path, body=odd.body, **odd.headers)
                bad.extend(f"{fault}: {_shown(odd)}" for fault in faults(answer.status, answer.headers, answer.body))

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return bad


def _shown(odd: Odd) -> str:
    return f"{odd.method} {odd.path[:100]} {(odd.body or b'')[:100]!r}"
