"""Searching one type: the number of matches, one page of them, and what comes along with it.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kernel.database import Transaction
from record.read import light, paged, stored
from record.search.include import included
from record.search.pages import Position, count_statement, page_statement, parts, width
from record.search.query import Query, parse
from record.stored import Stored
from record.visible import Visible

SECONDS_AT_MOST = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search."""

    entries: list[Stored]
    includes: list[Stored] = field(default_factory=list)
    total: int | None = None
    next: Position | None = None
    ignored: tuple[str, ...] = ()


async def search(
    tx: Transaction,
    type: str,
    query: Sequence[tuple[str, str]],
    *,
    visible: Visible,
    now: datetime,
    after: Position | None = None,
    lenient: bool = False,
) -> Page:
    """The resources of a type that match, as far as they may be seen; `after` continues an earlier page.

    Raises ParameterUnknown, ModifierUnknown, ValueUnreadable, SearchTooLarge.
    """
    asked = parse(type, query, now=now, lenient=lenient)
    total = await _count(tx, asked, visible) if asked.total else None
    if asked.count == 0:
        return Page([], total=total, ignored=asked.ignored)
    rows, more = await _rows(tx, asked, visible, after)
    before = width(asked)
    entries = [stored(row[before:]) for row in rows]
    last = rows[-1] if more else None
    return Page(
        entries,
        includes=await included(tx, asked, entries, visible=visible),
        total=total,
        next=Position(tuple(last)[:before], last["id"]) if last else None,
        ignored=asked.ignored,
    )


async def _count(tx: Transaction, asked: Query, visible: Visible) -> int:
    statement, arguments = count_statement(asked, visible)
    return int(await tx.raw.fetchval(statement, *arguments, timeout=SECONDS_AT_MOST))


async def _rows(tx: Transaction, asked: Query, visible: Visible, after: Position | None) -> tuple[Sequence[Any], bool]:
    """The rows of one page, and whether more come behind it."""
    rows: list[Any] = []
    for part in parts(asked, visible, after):
        statement, arguments = page_statement(asked, visible, after, part)
        rows += await tx.raw.fetch(light(statement), *arguments, timeout=SECONDS_AT_MOST)
        page, more = paged(rows, asked.count)
        if more:
            return page, True
        after = None
    return rows, False
