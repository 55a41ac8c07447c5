"""Nobody gets at another patient's record: every type, search, include, history and operation, tried with real ids."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import aiohttp
import orjson
import pytest

from record.ownership import types
from tests.journeys.questions import (
    NOBODY,
    Question,
    few,
    includes,
    operations,
    parameters,
    ref,
    searches,
    writes,
)
from tests.journeys.scene import HER, HIM, Said, Scene, Stranger, his_rows, set_scene
from tests.support.platform import Platform

pytestmark = pytest.mark.slow

AT_ONCE = 8


@pytest.fixture(scope="module")
def scene(platform: Platform) -> Scene:
    """Two people have been to the doctor; strangers are curious."""
    return set_scene(platform)


STRANGERS = ("patient", "practitioner", "pharmacist", "reviewer elsewhere", "admin")
SEARCHING = pytest.mark.parametrize("stranger", STRANGERS[:3], indirect=True)
"""The last two search as a pharmacist and as nobody do."""


@pytest.fixture(params=STRANGERS)
async def stranger(request: pytest.FixtureRequest, scene: Scene) -> AsyncIterator[Stranger]:
    """Each stranger in turn."""
    login = scene.strangers[request.param]
    async with aiohttp.ClientSession() as http:
        yield await _signed_in(scene, http, login)


async def _signed_in(scene: Scene, http: aiohttp.ClientSession, login: str) -> Stranger:
    # In a thread, since a token is made with a loop of its own.
    token = await asyncio.to_thread(scene.platform.token, login)
    return Stranger(login, http, scene.platform.address, token)


async def _swept(stranger: Stranger, questions: Iterator[Question]) -> list[Said]:
    """Ask everything, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(question: Question) -> Said:
        async with gate:
            return await stranger.ask(*question)

    return list(await asyncio.gather(*(one(question) for question in questions)))


def _told(scene: Scene, answers: list[Said]) -> list[str]:
    return [f"{one.question} -> {one.status} {found[:3]}" for one in answers if (found := scene.leaks(one))]


async def test_reading_by_id(scene: Scene, stranger: Stranger) -> None:
    """Read, version and history of another's resource answer exactly as for one that never was."""
    for row in few(scene):
        for rest in ("", "/_history", "/_history/1", f"/_history/{row.version}"):
            said = await stranger.ask("GET", f"/fhir/{row.type}/{row.id}{rest}")
            never = await stranger.ask("GET", f"/fhir/{row.type}/{NOBODY}{rest}")
            assert said.status in {403, 404}, said
            assert (said.status, said.body) == (never.status, never.body), said.question


@SEARCHING
async def test_searching(scene: Scene, stranger: Stranger) -> None:
    """No parameter of any type finds a row of his, nor counts one."""
    answers = await _swept(stranger, searches(scene))
    assert _told(scene, answers) == []
    assert {one.status for one in answers} <= {200, 400, 403, 404, 405, 422}
    assert sum(one.status == 200 for one in answers) > 100


def _kept_by_patient(scene: Scene) -> list[str]:
    """Types whose rows belong to a patient and name them by the parameter `patient`."""
    return [
        t for t in scene.capability if t in types() and types()[t].compartment and t not in {"Patient", "AuditEvent"}
    ]


async def test_the_sweep_finds_what_is_there(scene: Scene) -> None:
    """The same questions, asked by himself, show nearly all of his record: they are able to."""
    async with aiohttp.ClientSession() as http:
        he = await _signed_in(scene, http, HIM)
        shown = [one for one in await _swept(he, searches(scene)) if one.status == 200]
    whole = b"".join(one.body for one in shown).decode()
    unseen = [row.reference for row in scene.rows if row.type != "AuditEvent" and row.id not in whole]
    assert unseen == []


async def test_totals(scene: Scene, stranger: Stranger) -> None:
    """A search of his compartment counts nothing."""
    for type_ in _kept_by_patient(scene):
        said = await stranger.ask("GET", f"/fhir/{type_}?patient=Patient/{HIM}&_summary=count&_total=accurate")
        plain = await stranger.ask("GET", f"/fhir/{type_}?patient=Patient/{HIM}&_total=accurate")
        for one in (said, plain):
            assert one.status in {400, 403} or orjson.loads(one.body).get("total", 0) == 0, one


@SEARCHING
async def test_including(scene: Scene, stranger: Stranger) -> None:
    """Nothing of his comes along with what a stranger may see."""
    answers = await _swept(stranger, includes(scene))
    assert _told(scene, answers) == []
    assert {one.status for one in answers} <= {200, 400, 403, 404, 422}
    assert sum(one.status == 200 for one in answers) > 20


async def test_operating(scene: Scene, stranger: Stranger) -> None:
    """No operation on his visits works for a stranger, and none of them tells a thing."""
    answers = await _swept(stranger, operations(scene))
    assert _told(scene, answers) == []
    assert [one for one in answers if one.status < 400 or one.status >= 500] == []


def test_every_operation_is_tried(scene: Scene) -> None:
    """The operations of the CapabilityStatement that name a resource are all among those tried."""
    tried = {question[1].rpartition("$")[2] for question in operations(scene)}
    offered = {one["name"] for said in scene.capability.values() for one in said.get("operation", ())}
    assert offered - tried <= {"find", "expand"}


async def test_writing(scene: Scene, stranger: Stranger) -> None:
    """No stranger changes, deletes or adds anything in his record."""
    answers = await _swept(stranger, writes(scene))
    assert _told(scene, answers) == []
    assert [one for one in answers if one.status < 400 or one.status >= 500] == []


async def test_taking_what_is_his_into_ones_own(scene: Scene) -> None:
    """A patient can neither book with another's document nor move an own resource to another."""
    her = scene.hers
    async with aiohttp.ClientSession() as http:
        she = await _signed_in(scene, http, HER)
        mine = await she.ask("GET", f"/fhir/DocumentReference/{her.resources['document']['id']}")
        moved = {**orjson.loads(mine.body), "subject": {"reference": f"Patient/{HIM}"}}
        stolen = parameters(
            appointment_reference=ref(f"Appointment/proposed-{await _free_slot(she)}"),
            prior_diagnosis=ref(f"DocumentReference/{scene.his.resources['document']['id']}"),
        )
        answers = [
            await she.ask("PUT", f"/fhir/DocumentReference/{moved['id']}", moved),
            await she.ask("POST", "/fhir/Appointment/$book", stolen),
        ]
    assert [one.status for one in answers if not 400 <= one.status < 500] == []
    assert _told(scene, answers) == []


async def _free_slot(she: Stranger) -> str:
    found = await she.ask("GET", "/fhir/Slot?status=free&_count=200&_sort=-start")
    return str(orjson.loads(found.body)["entry"][0]["resource"]["id"])


async def test_another_s_page_link(scene: Scene, stranger: Stranger) -> None:
    """A page link of his opens for nobody else."""
    async with aiohttp.ClientSession() as http:
        he = await _signed_in(scene, http, HIM)
        page = orjson.loads((await he.ask("GET", "/fhir/MedicationRequest?_count=1")).body)
    links = [one["url"].partition("/fhir/")[2] for one in page["link"]]
    assert len(links) == 2
    for link in links:
        said = await stranger.ask("GET", f"/fhir/{link}")
        assert said.status in {400, 403}, said
        assert scene.leaks(said) == []


async def test_another_s_idempotency_key(scene: Scene) -> None:
    """Another's Idempotency-Key brings nobody the other's answer."""
    key = "a-key-he-has-chosen"
    async with aiohttp.ClientSession() as http:
        he, she = await _signed_in(scene, http, HIM), await _signed_in(scene, http, HER)
        slot = await _free_slot(he)
        wanted = parameters(appointment_reference=ref(f"Appointment/proposed-{slot}"))
        held = await he.ask("POST", "/fhir/Appointment/$hold", wanted, Idempotency_Key=key)
        said = await she.ask("POST", "/fhir/Appointment/$hold", wanted, Idempotency_Key=key)
        id_ = orjson.loads(held.body)["entry"][0]["resource"]["id"]
        await he.ask("POST", f"/fhir/Appointment/{id_}/$cancel", parameters())
    assert held.status == 201
    assert said.status == 404
    assert id_.encode() not in said.body


async def test_nothing_of_his_has_changed(scene: Scene) -> None:
    """After all this his record is what it was, row by row and version by version."""
    after = {row.reference: row.version for row in await his_rows(scene.platform) if row.type != "AuditEvent"}
    before = {row.reference: row.version for row in scene.rows if row.type != "AuditEvent"}
    new = after.keys() - before.keys()
    assert {one.partition("/")[0] for one in new} <= {"Appointment"}, "only the hold he made himself may be new"
    assert {one: after[one] for one in before} == before
