"""Thousands of random searches over HL7's official examples against brute force over HL7's expressions."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from kernel.database import Transaction
from kernel.settings import Settings
from record.ownership import KEPT_APART, rooms, types
from record.search import search
from record.visible import Everything
from record.write import create_many
from tests.record.asking import Asker
from tests.record.by_force import Force
from tests.record.official import sound_examples
from tests.support.postgres import database_of
from tests.support.record import migrated_record

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
SEARCHES = 2200


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


async def entered(settings: Settings) -> Force:
    """HL7's examples, each entered by its owner under its own id."""
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


async def walked(tx: Transaction, type_: str, asked: list[tuple[str, str]], count: int) -> list[str]:
    """All ids a search brings, page after page."""
    found: list[str] = []
    after = None
    while True:
        page = await search(tx, type_, [*asked, ("_count", str(count))], visible=Everything(), now=NOW, after=after)
        found += [one.id for one in page.entries]
        after = page.next
        if after is None:
            return found


async def test_random_searches_agree_with_brute_force(alone: Settings) -> None:
    """Whatever is asked by whichever kind of parameter, along references and back, in whatever order, page by page:
    the answer is what HL7's expressions and FHIR's rules say, each match once."""
    force = await entered(alone)
    chance = random.Random(3)  # noqa: S311 - examples, no secrets
    asker = Asker(force, chance)
    wrong, hits = [], 0
    async with database_of("patients", alone, size=1) as database, database.reading() as tx:
        for _ in range(SEARCHES):
            type_, asked = asker.search()
            expected = force.found(type_, asked)
            found = await walked(tx, type_, asked, chance.choice((5, 50)))
            sorted_ = any(name == "_sort" for name, _ in asked)
            if (found if sorted_ else sorted(found)) != (expected if sorted_ else sorted(expected)):
                wrong.append((type_, asked, found, expected))
            hits += bool(expected)
    assert wrong == []
    assert hits > SEARCHES / 2
