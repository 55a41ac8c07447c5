"""The CapabilityStatement cannot lie: its claims are tried on the running platform, and each route is claimed."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from kernel.settings import Settings
from record.conformance.capability import (
    CONDITIONS,
    INTERACTIONS,
    OF_THE_SYSTEM,
    OPERATION_NAME,
    capability_of,
    codes_of,
    served,
)
from record.index.parameters import parameters
from record.ownership import KEPT_APART, types
from record.validation.checking import check
from tests.support.gate import Gate, gate_of
from tests.support.platform import Platform
from tests.support.record import Answer
from yuzhen.rooms import HTTP_ROOMS, application

Claim = Mapping[str, Any]
NOWHERE = "01890000-0000-7000-8000-000000000000"
AT_ONCE = 8
VALUES = {
    **{"token": "x", "string": "x", "reference": "Patient/x", "date": "ge2026", "uri": "urn:x"},
    **{"number": "gt1.5", "quantity": "5.4|http://unitsofmeasure.org|mg"},
}
ASKS: Mapping[str, tuple[str, str]] = {
    "read": ("GET", f"/{NOWHERE}"),
    "vread": ("GET", f"/{NOWHERE}/_history/1"),
    "history-instance": ("GET", f"/{NOWHERE}/_history"),
    "history-type": ("GET", "/_history?_count=1"),
    "search-type": ("GET", "?_count=1"),
    "create": ("POST", ""),
    "update": ("PUT", f"/{NOWHERE}"),
    "patch": ("PATCH", f"/{NOWHERE}"),
    "delete": ("DELETE", f"/{NOWHERE}"),
}
MODIFIERS = ("missing", "not", "exact", "contains", "identifier", "type", "text", "ofType")
EACH = 4
"""Every fourth parameter is tried with all modifiers and prefixes."""
CRITERIA = f"?identifier=urn:x|{NOWHERE}"
FLAGS: Mapping[str, tuple[str, str]] = {
    "conditionalUpdate": ("PUT", CRITERIA),
    "conditionalDelete": ("DELETE", CRITERIA),
}
OF_THE_HOUSE: Mapping[str, tuple[str, str]] = {
    "search-system": ("GET", "?_type=Patient"),
    "history-system": ("GET", "/_history?_count=1"),
    "transaction": ("POST", ""),
    "batch": ("POST", ""),
}


@pytest.fixture(scope="module")
def said(platform: Platform) -> Claim:
    """The statement."""

    async def fetched() -> bytes:
        async with gate_of(platform) as gate:
            return (await gate.ask("GET", "/metadata")).body

    statement: Claim = orjson.loads(asyncio.run(fetched()))
    return statement


def resources(said: Claim) -> dict[str, Claim]:
    """The claims about each type."""
    return {one["type"]: one for one in said["rest"][0]["resource"]}


def offers(answer: Answer) -> bool:
    """Whether someone answers there, be it with a refusal of what was sent."""
    assert answer.status < 500, answer
    unrouted = answer.status == 404 and answer.codes[0] in {"address-unknown", "not-found"}
    return answer.status != 405 and not unrouted


async def all_of(gate: Gate, asked: Mapping[Any, tuple[str, str]]) -> dict[Any, Answer]:
    """Many questions, some at once."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(method: str, path: str) -> Answer:
        async with turn:
            return await gate.ask(method, path, body=b"{}" if method in {"POST", "PUT", "PATCH"} else None)

    answers = await asyncio.gather(*(one(*question) for question in asked.values()))
    return dict(zip(asked, answers, strict=True))


def test_it_is_sound_and_names_every_type(said: Claim) -> None:
    """It follows FHIR itself, speaks 4.0.1, and lists every type the hospital keeps."""
    check(orjson.dumps(said), type="CapabilityStatement")
    assert said["fhirVersion"] == "4.0.1"
    more = {"SearchParameter", "OperationDefinition", "ValueSet"}
    assert resources(said).keys() == types().keys() | more


async def test_interactions(platform: Platform, said: Claim) -> None:
    """An interaction is claimed for a type exactly if somebody answers to it."""
    claimed = {type_: {one["code"] for one in claim.get("interaction", ())} for type_, claim in resources(said).items()}
    asked = {(type_, code): (m, f"/{type_}{after}") for type_ in claimed for code, (m, after) in ASKS.items()}
    async with gate_of(platform) as gate:
        answers = await all_of(gate, asked)
    assert {key for key, answer in answers.items() if offers(answer)} == {
        (type_, code) for type_, codes in claimed.items() for code in codes
    }


async def test_conditional_interactions(platform: Platform, said: Claim) -> None:
    """A conditional update or delete is claimed for a type exactly if somebody answers to it."""
    asked = {(type_, flag): (m, f"/{type_}{c}") for type_ in resources(said) for flag, (m, c) in FLAGS.items()}
    async with gate_of(platform) as gate:
        answers = await all_of(gate, asked)
    for (type_, flag), answer in answers.items():
        claim = resources(said)[type_][flag]
        assert offers(answer) is (claim not in {False, "not-supported"}), (type_, flag, answer)


async def test_interactions_of_the_whole_system(platform: Platform, said: Claim) -> None:
    """Bundles and the history of everything are claimed exactly if somebody answers to them."""
    claimed = {one["code"] for one in said["rest"][0].get("interaction", ())}
    async with gate_of(platform) as gate:
        answers = await all_of(gate, OF_THE_HOUSE)
    assert {code for code, answer in answers.items() if offers(answer)} == claimed


def value_of(type_: str, parameter: Claim) -> str:
    """A value of a parameter's kind."""
    if parameter["type"] != "composite":
        return quote(VALUES[parameter["type"]], safe="|:/.")
    components = parameters(type_)[parameter["name"]].components
    return quote("$".join(VALUES[component.kind] for component in components), safe="|$:/.")


async def test_search_parameters(platform: Platform, said: Claim) -> None:
    """Every search parameter, include and reverse include that is claimed is answered."""
    asked: dict[str, tuple[str, str]] = {}
    for type_, claim in resources(said).items():
        for parameter in claim.get("searchParam", ()):
            asked[f"{type_}?{parameter['name']}={value_of(type_, parameter)}"] = ("GET", "")
        for how in ("searchInclude", "searchRevInclude"):
            name = {"searchInclude": "_include", "searchRevInclude": "_revinclude"}[how]
            asked |= {f"{type_}?{name}={one}": ("GET", "") for one in claim.get(how, ())}
    async with gate_of(platform) as gate:
        answers = await all_of(gate, {one: (method, f"/{one}&_count=1") for one, (method, _) in asked.items()})
    assert len(answers) > len(types()) * 5
    assert {one: answer.body for one, answer in answers.items() if answer.status != 200} == {}


async def test_what_is_not_listed_is_not_searched(platform: Platform, said: Claim) -> None:
    """A parameter that some type has is refused by each type that does not claim it."""
    searched = {type_: claim["searchParam"] for type_, claim in resources(said).items() if "searchParam" in claim}
    named = {type_: {one["name"] for one in parameters} for type_, parameters in searched.items()}
    others = sorted({name for names in named.values() for name in names})[::9]
    asked = {
        (type_, name): ("GET", f"/{type_}?{name}=x")
        for type_, names in named.items()
        for name in others
        if name not in names
    }
    async with gate_of(platform) as gate:
        answers = await all_of(gate, asked)
    assert {key: answer.status for key, answer in answers.items() if answer.status != 400} == {}


async def test_definitions_are_published(platform: Platform, said: Claim) -> None:
    """Every definition the statement refers to can be read, is sound FHIR, and defines what it is claimed for."""
    async with gate_of(platform) as gate:
        for type_ in ("SearchParameter", "OperationDefinition"):
            published = {one["resource"]["url"]: one["resource"] for one in await _everything(gate, type_)}
            for claimed_for, name, url in _referred(said, type_):
                resource = published[url]
                check(orjson.dumps(resource), type=type_)
                assert resource["code"] == name
                assert (
                    claimed_for in resource.get("base", resource.get("resource", [""]))
                    or "Resource" in resource["base"]
                )
                one = await gate.ask("GET", f"/{type_}/{resource['id']}")
                assert one.json == resource


async def _everything(gate: Gate, type_: str) -> list[Claim]:
    path, found = f"/{type_}?_count=200", []
    while path:
        page = (await gate.ask("GET", path)).json
        found += page["entry"]
        path = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert len(found) == page["total"]
    return found


def _referred(said: Claim, type_: str) -> Iterator[tuple[str, str, str]]:
    """For which type, under which name, what definition."""
    field = {"SearchParameter": "searchParam", "OperationDefinition": "operation"}[type_]
    for kept, claim in resources(said).items():
        yield from ((kept, one["name"], one["definition"]) for one in claim.get(field, ()) if "definition" in one)
    yield from (("", one["name"], one["definition"]) for one in said["rest"][0].get(field, ()))


async def test_modifiers_and_comparators(platform: Platform) -> None:
    """A SearchParameter claims a modifier exactly if it is understood, and every prefix it claims is."""
    async with gate_of(platform) as gate:
        published = [one["resource"] for one in await _everything(gate, "SearchParameter")]
        asked = {key: ("GET", path) for one in published[::EACH] for key, path in _tried(one)}
        answers = await all_of(gate, asked)
    assert {key for key, answer in answers.items() if answer.status == 200} == {key for key in asked if key[2]}


def _tried(one: Claim) -> Iterator[tuple[tuple[str, str, bool], str]]:
    """(parameter, modifier or prefix, whether it is claimed), and the question that tries it."""
    base = next((type_ for type_ in one["base"] if type_ in types().keys() - KEPT_APART), "")
    if base and not one["code"].startswith("_"):
        for modifier in MODIFIERS:
            named, value = _modified(one, modifier)
            claimed = modifier in one.get("modifier", ())
            if not claimed and len(one["base"]) > 1:
                # What only some of its types understand is not claimed of the parameter.
                continue
            yield (one["url"], modifier, claimed), f"/{base}?{one['code']}:{named}={value}&_count=1"
    for prefix in one.get("comparator", ()):
        value = VALUES[one["type"]].lstrip("get")
        asked_of = next((type_ for type_ in one["base"] if type_ in types()), "Patient")
        yield (one["url"], prefix, True), f"/{asked_of}?{one['code']}={prefix}{quote(value)}&_count=1"


def _modified(one: Claim, modifier: str) -> tuple[str, str]:
    match modifier:
        case "missing":
            return "missing", "true"
        case "identifier":
            return "identifier", "urn:x%7Cx"
        case "type":
            return one.get("target", ["Patient"])[0], "x"
        case "ofType":
            return "of-type", "urn:x%7Cx%7Cx"
        case _:
            return modifier, quote(VALUES.get(one["type"], "x"))


async def test_operations(platform: Platform, said: Claim) -> None:
    """Each operation is answered at every level its definition claims, and at no other."""
    asked: dict[tuple[str, str, str], tuple[str, str]] = {}
    claimed: dict[tuple[str, str, str], bool] = {}
    async with gate_of(platform) as gate:
        for entry in await _everything(gate, "OperationDefinition"):
            one = entry["resource"]
            for type_ in one.get("resource", [""]):
                id_ = "icd-10" if type_ == "ValueSet" else NOWHERE
                places = {"type" if type_ else "system": "", "instance": f"/{id_}"}
                for level, place in places.items():
                    key = (one["url"], type_, level)
                    claimed[key] = one[level]
                    asked[key] = ("POST", f"{'/' * bool(type_)}{type_}{place}/${one['code']}")
        answers = await all_of(gate, asked)
    assert {key: offers(answer) for key, answer in answers.items()} == claimed


@pytest.mark.parametrize("room", HTTP_ROOMS)
def test_every_route_is_claimed(room: str, platform: Platform, said: Claim) -> None:
    """No room has a FHIR route that the statement does not name."""
    routes = application(room, Settings(state_folder=str(platform.settings.state))).routes
    for one in served(routes):
        named = OPERATION_NAME.search(one.rest) or one.rest == "/_search"
        table = INTERACTIONS if one.type else OF_THE_SYSTEM
        assert named or codes_of(one, table) or (not one.rest and CONDITIONS.keys() & one.methods), one
    mine = capability_of(room, routes)
    assert mine.resources.items() <= resources(said).items()
    assert [one for one in mine.operations if one not in said["rest"][0].get("operation", ())] == []
