"""Conditional interactions: the one resource that fits a search, with races between equal wishes kept in line.

https://hl7.org/fhir/R4/http.html#ccreate
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from kernel.database import Transaction
from record.failures import CriteriaMissing, CriteriaUnreadable, MultipleMatches
from record.index import keys
from record.search.criterion import AnyKey, IdIn
from record.search.query import parse
from record.search.searching import search
from record.stored import Stored
from record.visible import Visible

Criteria = Sequence[tuple[str, str]]

MOST_CRITERIA = 20
MOST_KEYS = 32
"""Of one type and transaction: whoever holds more holds the type, so that the lock table stays small."""
BEFORE_CRITERIA = re.compile(r"[A-Za-z]*\?")
OF_RESOURCES = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_has"})
LOCK = """
select case when shared then pg_advisory_xact_lock_shared(key) else pg_advisory_xact_lock(key) end
from unnest($1::bigint[], $2::boolean[]) as wanted(key, shared)
"""


def criteria(text: str) -> list[tuple[str, str]]:
    """The criteria in a text such as `Patient?identifier=urn:x|1`, or without the type in front.

    Raises CriteriaUnreadable, CriteriaMissing.
    """
    before = BEFORE_CRITERIA.match(text)
    text = text[before.end() if before else 0 :].strip()
    if not text:
        raise CriteriaMissing
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise CriteriaUnreadable from None
    return checked(pairs)


def checked(pairs: Criteria) -> list[tuple[str, str]]:
    """Criteria that say which resource is meant, and nothing about an answer.

    Raises CriteriaUnreadable, CriteriaMissing.
    """
    if not pairs:
        raise CriteriaMissing
    if len(pairs) > MOST_CRITERIA:
        raise CriteriaUnreadable(f"{MOST_CRITERIA} criteria are enough.")
    for name, _ in pairs:
        if name.startswith("_") and name.partition(":")[0] not in OF_RESOURCES:
            raise CriteriaUnreadable("Paging, order and what comes along have no place among criteria.")
    return list(pairs)


async def the_one(tx: Transaction, type: str, criteria: Criteria, *, visible: Visible, now: datetime) -> Stored | None:
    """The one resource that fits and may be seen, or None. Raises MultipleMatches, and what a search raises."""
    page = await search(tx, type, [*criteria, ("_count", "2")], visible=visible, now=now)
    if len(page.entries) > 1:
        raise MultipleMatches
    return page.entries[0] if page.entries else None


async def hold(tx: Transaction, holds: Iterable[tuple[str, Criteria]], *, now: datetime) -> None:
    """Until the transaction ends, keep everyone else from acting on criteria that may mean the same resource.

    To be called once, before the search, with everything the transaction will ask for: all take their places in one
    order, so none waits for another in a circle. Criteria that share an exact value share a lock; those without any
    lock the type.
    """
    wanted: dict[str, set[int] | None] = {}
    for type_, pairs in holds:
        mine = _exact_keys(type_, pairs, now)
        held = wanted.get(type_, set())
        wanted[type_] = held | mine if mine and held is not None and len(held | mine) <= MOST_KEYS else None
    # Types before values, since who holds a type outright must meet those who hold values of it.
    whole = sorted((keys.key(f"conditional {type_}"), held is not None) for type_, held in wanted.items())
    parts = sorted((one, False) for one in {key for held in wanted.values() for key in held or ()})
    locks = [*whole, *parts]
    if locks:
        await tx.raw.execute(LOCK, [key for key, _ in locks], [shared for _, shared in locks])


def _exact_keys(type_: str, pairs: Criteria, now: datetime) -> set[int]:
    """A key for each value that is asked for outright, whichever way it is spelt."""
    found: set[int] = set()
    for condition in parse(type_, pairs, now=now).conditions:
        match condition:
            case AnyKey() if condition.drives:
                code, forms = condition.parameter.code, condition.forms
                found |= {_lock_key(type_, code, form) for form in forms if not form.endswith("|")}
            case IdIn(ids):
                found |= {_lock_key(type_, "_id", id_) for id_ in ids}
    return found


def _lock_key(type_: str, code: str, form: str) -> int:
    """One for all spellings of a value: `system|value` and `value` alone must wait for one another."""
    return keys.key(f"conditional {type_}.{code}={form.rpartition('|')[2]}")
