"""Thousands of random searches over HL7's official examples against brute force over HL7's expressions."""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from kernel.database import Transaction
from kernel.settings import Settings
from record.care import entrust, share
from record.ownership import KEPT_APART, TypeRules, rooms, types
from record.search.searching import search
from record.search.where import readable
from record.visible import DirectoryOnly, Everything, OfClinics, OnlyPatient, SharedWith, Visible
from record.write import create_many
from tests.record.asking import Asker
from tests.record.by_force import Force
from tests.record.official import sound_examples
from tests.support.postgres import database_of
from tests.support.record import migrated_record

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
SEARCHES = 1600
SEARCHES_SEEN = 100
Asked = list[tuple[str, str]]


@pytest.fixture(scope="module")
def alone() -> Iterator[Settings]:
    """A record that holds nothing else."""
    with migrated_record() as settings:
        yield settings


def kept_examples() -> dict[str, dict[str, bytes]]:
    """Type -> id -> exact bytes."""
    kept: dict[str, dict[str, bytes]] = {}
    for body in sound_examples().values():
        resource = orjson.loads(body)
        if resource["resourceType"] in types() and resource["resourceType"] not in KEPT_APART:
            kept.setdefault(resource["resourceType"], {})[resource["id"]] = body
    return kept


@pytest.fixture(scope="module")
def force(alone: Settings) -> Force:
    """HL7's examples, each entered by its owner under its own id."""
    return asyncio.run(entered(alone))


async def entered(settings: Settings) -> Force:
    """The examples in the record, and as brute force sees them."""
    examples = kept_examples()
    for room in rooms():
        owned = [type_ for type_ in examples if types()[type_].owner == room]
        async with database_of(room, settings, size=1) as database, database.transaction() as tx:
            await create_many(tx, [one for type_ in owned for one in examples[type_].items()], now=NOW)
    return Force(
        {
            type_: {id_: json.loads(body, parse_float=Decimal) for id_, body in own.items()}
            for type_, own in examples.items()
        }
    )


async def walked(tx: Transaction, type_: str, asked: Asked, count: int, visible: Visible) -> list[str]:
    """All ids a search brings, page after page."""
    found: list[str] = []
    after = None
    while True:
        page = await search(tx, type_, [*asked, ("_count", str(count))], visible=visible, now=NOW, after=after)
        found += [one.id for one in page.entries]
        after = page.next
        if after is None:
            return found


async def differing(tx: Transaction, asker: Asker, force: Force, visible: Visible, searches: int) -> list[object]:
    """Those of many random searches that are not answered as by force; most find something."""
    wrong: list[object] = []
    hits = 0
    for _ in range(searches):
        type_, asked = asker.search()
        if not readable(type_, visible):
            continue
        expected = force.found(type_, asked)
        found = await walked(tx, type_, asked, asker.chance.choice((5, 50)), visible)
        hits += bool(expected)
        in_order = any(name == "_sort" for name, _ in asked)
        if asker.chance.random() < 0.1:
            counted = await search(tx, type_, [*asked, ("_count", "0")], visible=visible, now=NOW)
            assert counted.total == len(expected), (type_, asked)
        if found != expected if in_order else sorted(found) != sorted(expected):
            wrong.append((type_, asked, found, expected))
    assert hits > searches / 30
    return wrong


async def test_random_searches_agree_with_brute_force(alone: Settings, force: Force) -> None:
    """Whatever is asked by whichever kind of parameter, along references and back, in whatever order, page by page:
    the answer is what HL7's expressions and FHIR's rules say, each match once."""
    asker = Asker(force, random.Random(3))  # noqa: S311 - examples, no secrets
    async with database_of("patients", alone, size=1) as database, database.reading() as tx:
        assert await differing(tx, asker, force, Everything(), SEARCHES) == []


CLINIC, PHARMACY = "HealthcareService/force", "Organization/force"
ENTRUSTED = ("example", "f001", "pat1")
VIEWS: Mapping[str, tuple[Visible, bool]] = {
    "the patient's own, the second wall standing": (OnlyPatient("example"), True),
    "the patient's own": (OnlyPatient("example"), False),
    "the clinic's patients": (OfClinics((CLINIC,)), False),
    "what was shared": (SharedWith(PHARMACY), False),
    "the directory": (DirectoryOnly(), False),
}


async def seen_of(settings: Settings, force: Force, visible: Visible) -> Force:
    """As if there were only what may be seen."""
    seen: dict[str, dict[str, dict[str, Any]]] = {}
    async with database_of("consult", settings, size=1) as database, database.transaction() as tx:
        for patient in ENTRUSTED:
            await entrust(tx, clinic=CLINIC, patient=patient, now=NOW)
        for type_, own in force.resources.items():
            rules = types()[type_]
            await share(tx, party=PHARMACY, resources=[(type_, id_) for id_ in own if hash_of(id_) % 3 == 0])
            rows = await tx.raw.fetch(f"select id, patient from {rules.partition}")  # noqa: S608 - declared name
            if readable(type_, visible):
                kept = [row["id"] for row in rows if is_seen(rules, row["id"], row["patient"], visible)]
                seen[type_] = {id_: own[id_] for id_ in kept}
    return force.among(seen)


def hash_of(id_: str) -> int:
    """The same number at every run."""
    return sum(id_.encode())


def is_seen(rules: TypeRules, id_: str, patient: str | None, visible: Visible) -> bool:
    """Whether a row may be seen, read plainly."""
    if not rules.compartment or (rules.open_without_patient and patient is None):
        return True
    match visible:
        case OnlyPatient(own):
            return patient == own
        case OfClinics():
            return patient in ENTRUSTED
        case SharedWith():
            return hash_of(id_) % 3 == 0
    return False


@pytest.mark.parametrize("view", VIEWS)
async def test_what_may_not_be_seen_counts_nowhere(alone: Settings, force: Force, view: str) -> None:
    """Searches about everyone's data, along references and back, answer as if what the searcher may not see were not
    there: neither as a match, nor on the way, nor by the order of others."""
    visible, walled = VIEWS[view]
    seen = await seen_of(alone, force, visible)
    asker = Asker(force, random.Random(5), along=0.8)  # noqa: S311 - examples, no secrets
    patient = visible.patient if walled and isinstance(visible, OnlyPatient) else None
    async with database_of("patients", alone, size=1) as database, database.transaction(patient=patient) as tx:
        assert await differing(tx, asker, seen, visible, SEARCHES_SEEN) == []
