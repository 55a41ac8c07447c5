"""Thousands of random searches over HL7's official examples, held against npm @medplum/core's own matcher.

https://hl7.org/fhir/R4/search.html. Where Medplum departs from FHIR, `tests/npm/medplum.mjs` names the pairs of search
and resource that are not compared, each with its reason.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from kernel.database import Transaction
from kernel.settings import Settings
from record.compartment import patient_of
from record.index.parameters import parameters
from record.ownership import KEPT_APART, rooms, types
from record.search.searching import search
from record.visible import Everything
from record.write import create_many
from tests.record.drawn import Asked, Drawing, gathered
from tests.record.official import sound_examples
from tests.support.node import run_node
from tests.support.postgres import database_of
from tests.support.record import migrated_record

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
SEARCHES = 3000
MOST_UNSURE = 0.015
"""The share of pairs that may be left out."""


@pytest.fixture
def alone() -> Iterator[Settings]:
    """A record that holds nothing else."""
    with migrated_record() as settings:
        yield settings


async def entered(settings: Settings) -> list[dict[str, Any]]:
    """HL7's examples, each entered by its owner, as they came out of the record."""
    stored = []
    for room in rooms():
        async with database_of(room, settings, size=1) as database, database.transaction() as tx:
            stored += await _entered(tx, room)
    return stored


async def _entered(tx: Transaction, room: str) -> list[dict[str, Any]]:
    contents = [orjson.loads(body) for body in sound_examples().values()]
    mine = [one for one in contents if types()[one["resourceType"]].owner == room]
    stored = []
    for n, one in enumerate(one for one in mine if one["resourceType"] not in KEPT_APART):
        owner = None if patient_of(one) else "nobody"
        stored += await create_many(tx, [(f"{room}-{n}", one)], now=NOW, patient=owner)
    return [orjson.loads(one.body) for one in stored]


async def test_random_searches_agree_with_medplum(alone: Settings) -> None:
    """Whatever token, reference, date or uri is asked of HL7's examples, we and Medplum find the same ones."""
    resources = await entered(alone)
    told = await run_node("medplum.mjs", {"resources": resources})
    found = gathered(resources, told["found"], lambda type_, code: code in parameters(type_))
    drawing = Drawing(random.Random(20261125), found, told["targets"])  # noqa: S311 - examples, no secrets
    drawn = [drawing.search() for _ in range(SEARCHES)]
    answers = await run_node(
        "medplum.mjs", {"resources": resources, "searches": [[one.type, one.longhand] for one in drawn]}
    )
    wrong, reasons, hits, pairs = [], Counter[str](), 0, 0
    async with database_of("patients", alone) as database, database.reading() as tx:
        for one, answer in zip(drawn, answers, strict=True):
            ours = await _walked(tx, one.type, one.asked) - answer["unsure"].keys()
            reasons.update(answer["unsure"].values())
            hits += bool(answer["matching"])
            pairs += len(found[one.type])
            if ours != set(answer["matching"]):
                wrong.append((one, sorted(ours ^ set(answer["matching"]))))
    assert wrong == []
    assert reasons.total() <= MOST_UNSURE * pairs, reasons
    assert hits > SEARCHES / 2


async def _walked(tx: Transaction, type_: str, asked: Asked) -> set[str]:
    page = await search(tx, type_, [*asked, ("_count", "200")], visible=Everything(), now=NOW)
    assert page.next is None
    return {one.id for one in page.entries}
