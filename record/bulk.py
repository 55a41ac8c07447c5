"""Many resources entered, or indexed anew, by a few statements: what a load of a hospital's history needs.

Rows travel as one array per column. PostgreSQL has no array of arrays of different lengths, so the keys of a row travel
as text. COPY would be no faster by much, and is refused on tables with row policies.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from kernel.database import Raw
from record.index.index import Index
from record.ownership import types
from record.statements import COLUMNS, entering, side_rows
from record.stored import Stored

AT_ONCE = 1000
"""Rows of one statement."""

ENTER = """
insert into {table} (type, id, version, updated_at, keys, present, lo, hi, body, patient)
select '{type}', t.id, 1, $8, t.keys::bigint[], t.present::int[], t.lo, t.hi, t.body, t.patient
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bytea[], $7::text[])
  as t(id, keys, present, lo, hi, body, patient)
"""

REINDEX = """
update {table} r set keys = t.keys::bigint[], present = t.present::int[], lo = t.lo, hi = t.hi
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
  as t(id, keys, present, lo, hi)
where r.type = '{type}' and r.id = t.id
"""


async def enter(raw: Raw, type_: str, rows: Sequence[tuple[Stored, Index]]) -> None:
    """Enter first versions of one type, of one instant."""
    for start in range(0, len(rows), AT_ONCE):
        batch = rows[start : start + AT_ONCE]
        indexed = [(stored.id, index) for stored, index in batch]
        bodies, owners = [stored.body for stored, _ in batch], [stored.patient for stored, _ in batch]
        await raw.execute(_filled(ENTER, type_), *_main_columns(indexed), bodies, owners, batch[0][0].updated_at)
        await enter_side_rows(raw, type_, indexed)


async def reindex(raw: Raw, type_: str, indexed: Sequence[tuple[str, Index]]) -> None:
    """Give the versions in force these index rows; their older side rows must be gone."""
    await raw.execute(_filled(REINDEX, type_), *_main_columns(indexed))
    await enter_side_rows(raw, type_, indexed)


async def enter_side_rows(raw: Raw, type_: str, indexed: Sequence[tuple[str, Index]]) -> None:
    """Add the side rows of many resources."""
    gathered: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for id_, index in indexed:
        for table, rows in side_rows(index).items():
            started = (id_, index.main.lo) if table == "timeline" else (id_,)
            gathered[table] += [(*started, *row) for row in rows]
    for table, rows in gathered.items():
        if rows:
            await raw.execute(_side_statement(type_, table), *zip(*rows, strict=True))


@cache
def _side_statement(type_: str, table: str) -> str:
    started = {"id": "text", "lo": "timestamptz"} if table == "timeline" else {"id": "text"}
    columns = {**started, **COLUMNS[table]}
    given = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), 1))
    return entering(type_, table, f"select * from unnest({given}) as t({', '.join(columns)})")  # noqa: S608


@cache
def _filled(template: str, type_: str) -> str:
    return template.format(table=types()[type_].partition, type=type_)


def _main_columns(indexed: Sequence[tuple[str, Index]]) -> tuple[list[Any], ...]:
    """$1 to $5 of both statements."""
    indexes = [index for _, index in indexed]
    return (
        [id_ for id_, _ in indexed],
        [_array(index.keys) for index in indexes],
        [_array(index.present) for index in indexes],
        [index.main.lo for index in indexes],
        [index.main.hi for index in indexes],
    )


def _array(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
