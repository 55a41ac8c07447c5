"""The statements that write one resource with its index rows, or many at once.

Each names the type's partition, so a room without the grant gets SQLSTATE 42501. A statement holds a branch for each
side table that gets rows, or may have held some, and for no other: an empty branch costs as much as one with rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from record.index.index import Index
from record.index.walks import side_tables
from record.ownership import types
from record.stored import Stored

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "word": {"place": "int", "code": "bigint", "system": "bigint", "value": "text", "written": "text"},
    "number": {
        "place": "int",
        "code": "bigint",
        "system": "bigint",
        "lo": "numeric",
        "hi": "numeric",
        "unit_system": "text",
        "unit_code": "text",
        "unit": "text",
    },
    "moment": {"place": "int", "code": "bigint", "system": "bigint", "lo": "timestamptz", "hi": "timestamptz"},
    "timeline": {"key": "bigint"},
}
"""The side tables' columns beside type and id; an anchor's `lo` is its resource's."""

INSERT = """
with entered as (insert into {table} (type, id, version, updated_at, keys, present, lo, hi, body, patient)
    values ('{type}', $1, 1, $2, $4, $5, $6, $7, $3, $8)){branches}
select 1
"""

LOCK = (
    "select version, updated_at, deleted, patient, keys, lo from {table} where type = '{type}' and id = $1 for update"
)

REPLACE = """
with kept as (insert into record.past (type, id, version, updated_at, deleted, patient, body)
    select type, id, version, updated_at, deleted, patient, body from {table}
    where type = '{type}' and id = $1 and version = $9)
 , changed as (update {table} set version = $9 + 1, updated_at = $2, body = $3, keys = $4, present = $5, lo = $6,
    hi = $7, patient = $8, deleted = $10 where type = '{type}' and id = $1 and version = $9 returning 1){branches}
select count(*) from changed
"""

Statement = tuple[str, list[Any]]


def inserting(stored: Stored, index: Index) -> Statement:
    """The statement for a first version, and its arguments."""
    used = _used(index)
    return _insert(stored.type, used), [*_fresh(stored, index), *_rows(index, used)]


@cache
def _insert(type_: str, used: tuple[str, ...]) -> str:
    return _filled(INSERT, type_, _entering(type_, used, after=8))


@cache
def locking(type_: str) -> str:
    """The statement that holds the version in force."""
    return _filled(LOCK, type_, "")


def replacing(stored: Stored, index: Index, *, gone: Sequence[int], gone_at: datetime) -> Statement:
    """The statement that puts this version in place of the one before it, and its arguments.

    `gone` are keys that leave the timeline at `gone_at`; the other side rows are made anew.
    """
    used = _used(index)
    arguments = [*_fresh(stored, index), stored.version - 1, stored.deleted]
    if "timeline" in side_tables(stored.type):
        arguments += [gone, gone_at]
    return _replace(stored.type, used), [*arguments, *_rows(index, used)]


@cache
def _replace(type_: str, used: tuple[str, ...]) -> str:
    anchored = "timeline" in side_tables(type_)
    leaving = "".join(_leaving(type_, table) for table in sorted(side_tables(type_)))
    return _filled(REPLACE, type_, leaving + _entering(type_, used, after=12 if anchored else 10))


def _leaving(type_: str, table: str) -> str:
    which = f"type = '{type_}'" if table != "timeline" else "key = any($11::bigint[]) and lo = $12"
    return f"\n , left_{table} as (delete from record.{table} where {which} and id = $1)"  # noqa: S608 - declared names


def _filled(template: str, type_: str, branches: str) -> str:
    return template.format(table=types()[type_].partition, type=type_, branches=branches)


def side_rows(index: Index) -> Mapping[str, Sequence[tuple[Any, ...]]]:
    """By side table, the rows in the order of COLUMNS."""
    anchors = tuple((key,) for key in index.anchors)
    return {"timeline": anchors, "word": index.words, "number": index.numbers, "moment": index.moments}


def _used(index: Index) -> tuple[str, ...]:
    return tuple(table for table, rows in side_rows(index).items() if rows)


def _entering(type_: str, used: tuple[str, ...], *, after: int) -> str:
    """The branches that add side rows; their arguments come after the `after` first."""
    branches, place = [], after + 1
    for table in used:
        columns = COLUMNS[table]
        given = ", ".join(f"${place + n}::{kind}[]" for n, kind in enumerate(columns.values()))
        dated = ", $6 as lo" if table == "timeline" else ""
        source = f"$1 as id{dated}, t.* from unnest({given}) as t({', '.join(columns)})"
        branches.append(f"\n , entered_{table} as ({entering(type_, table, f'select {source}')})")
        place += len(columns)
    return "".join(branches)


def entering(type_: str, table: str, source: str) -> str:
    """The insertion of a side table's rows: of `source`, a query of id and COLUMNS, or of id, lo and key."""
    names = ", ".join(COLUMNS[table] if table != "timeline" else ("lo", "key"))
    once = " on conflict do nothing" if table == "timeline" else ""
    return f"insert into record.{table} (type, id, {names}) select '{type_}', s.id, {names} from ({source}) s{once}"  # noqa: S608


def _fresh(stored: Stored, index: Index) -> list[Any]:
    """$1 to $8 of both statements."""
    of_index = (index.keys, index.present, index.main.lo, index.main.hi)
    return [stored.id, stored.updated_at, stored.body, *of_index, stored.patient]


def _rows(index: Index, used: tuple[str, ...]) -> Iterator[Any]:
    held = side_rows(index)
    for table in used:
        yield from zip(*held[table], strict=True)
