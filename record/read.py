"""Reading resources by id and version; who asks is part of every question."""

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from kernel.database import Transaction
from record.failures import ResourceDeleted, ResourceUnknown, SearchTooLarge, VersionUnknown
from record.ownership import TypeRules, types
from record.stored import Stored
from record.visible import Visible, condition

COLUMNS = "r.type, r.id, r.version, r.updated_at, r.deleted, r.patient, r.body"
WIDTH = len(COLUMNS.split(","))
MOST_BYTES = 32 * 1024 * 1024
"""What the resources of one page may weigh together: the page ends early where they are large."""


async def read(tx: Transaction, type: str, id: str, *, visible: Visible) -> Stored:
    """The version in force. Raises ResourceUnknown, ResourceDeleted."""
    seen, arguments = condition(visible, types()[type], at=2)
    row = await tx.raw.fetchrow(
        f"select {COLUMNS} from {types()[type].partition} r where r.type = '{type}' and r.id = $1 and {seen}",  # noqa: S608 - declared names
        *(id, *arguments),
    )
    if row is None:
        raise ResourceUnknown
    found = stored(row)
    if found.deleted:
        raise ResourceDeleted
    return found


async def read_many(tx: Transaction, type: str, ids: Collection[str], *, visible: Visible) -> list[Stored]:
    """Those of these resources that exist and may be seen, by id. Raises SearchTooLarge beyond 32 MB."""
    if not ids:
        return []
    seen, arguments = condition(visible, types()[type], at=2)
    rows = await tx.raw.fetch(
        light(
            f"select {COLUMNS} from {types()[type].partition} r"  # noqa: S608 - declared names
            f" where r.type = '{type}' and r.id = any($1::text[]) and not r.deleted and {seen} order by r.id"
        ),
        *(list(ids), *arguments),
    )
    if is_heavy(rows):
        raise SearchTooLarge
    return [stored(row) for row in rows]


async def vread(tx: Transaction, type: str, id: str, version: int, *, visible: Visible) -> Stored:
    """One version. Raises ResourceUnknown, VersionUnknown, and ResourceDeleted when that version is the deletion."""
    versions = await _versions(tx, types()[type], id, visible, only=version)
    if not versions:
        if not await _versions(tx, types()[type], id, visible):
            raise ResourceUnknown
        raise VersionUnknown
    if versions[0].deleted:
        raise ResourceDeleted
    return versions[0]


async def history(tx: Transaction, type: str, id: str, *, visible: Visible) -> list[Stored]:
    """All versions, newest first. Raises ResourceUnknown."""
    versions = await _versions(tx, types()[type], id, visible)
    if not versions:
        raise ResourceUnknown
    return versions


async def _versions(
    tx: Transaction, rules: TypeRules, id: str, visible: Visible, *, only: int | None = None
) -> list[Stored]:
    seen, arguments = condition(visible, rules, at=3)
    which = "r.id = $1 and ($2::int is null or r.version = $2)"
    rows = await tx.raw.fetch(
        f"select {COLUMNS} from {rules.partition} r where r.type = '{rules.type}' and {which} and {seen}"  # noqa: S608 - declared names
        f" union all select {COLUMNS} from record.past r where r.type = '{rules.type}' and {which} and {seen}"
        " order by version desc",
        *(id, only, *arguments),
    )
    return [stored(row) for row in rows]


def light(statement: str) -> str:
    """The statement's first rows, as many as weigh no more than a page may, and one more."""
    before = "coalesce(sum(octet_length(v.body)) over (rows between unbounded preceding and 1 preceding), 0)"
    return f"select * from (select v.*, {before} as before from ({statement}) v) v where before < {MOST_BYTES}"  # noqa: S608


def is_heavy(rows: Sequence[Any]) -> bool:
    """Whether `light` ended these rows early: the last is one too many."""
    return len(rows) > 1 and sum(len(row["body"]) for row in rows) >= MOST_BYTES


def paged(rows: Sequence[Any], count: int) -> tuple[Sequence[Any], bool]:
    """The rows of one page, and whether more come behind it."""
    if len(rows) > count:
        return rows[:count], True
    return (rows[:-1], True) if is_heavy(rows) else (rows, False)


def stored(row: Sequence[Any] | asyncpg.Record) -> Stored:
    """A row that begins with COLUMNS as a resource."""
    return Stored(*row[:WIDTH])
