"""Writing a resource: bytes, version, index rows and the replaced version, in the caller's transaction.

Every statement names the type's partition, so a room without the grant gets SQLSTATE 42501.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import asyncpg
import orjson

from kernel.database import Transaction
from record.compartment import patient_of
from record.failures import IdTaken, PatientFixed, PatientMissing, ResourceDeleted, ResourceUnknown, VersionStale
from record.index import NOTHING, Index, index_of
from record.ownership import TypeRules, types
from record.splice import stamped
from record.stored import Stored

Resource = Mapping[str, Any] | bytes

INDEX_ROWS = """
 , anchored as (insert into record.timeline (key, lo, id, type)
    select key, $6, $1, '{type}' from unnest($8::bigint[]) key on conflict do nothing)
 , worded as (insert into record.word (type, param, value, written, id)
    select '{type}', p, v, w, $1 from unnest($9::int[], $10::text[], $11::text[]) as t(p, v, w))
 , timed as (insert into record.moment (type, param, lo, hi, id)
    select '{type}', p, l, h, $1 from unnest($12::int[], $13::timestamptz[], $14::timestamptz[]) as t(p, l, h))
"""

INSERT = """
with entered as (insert into {table} (type, id, version, updated_at, keys, present, lo, hi, body, patient)
    values ('{type}', $1, 1, $2, $4, $5, $6, $7, $3, $15))
{index_rows}
select 1
"""

LOCK = (
    "select version, updated_at, deleted, patient, keys, lo from {table} where type = '{type}' and id = $1 for update"
)

REPLACE = """
with kept as (insert into record.past (type, id, version, updated_at, deleted, patient, body)
    select type, id, version, updated_at, deleted, patient, body from {table}
    where type = '{type}' and id = $1 and version = $15)
 , unanchored as (delete from record.timeline where key = any($16::bigint[]) and lo = $17 and id = $1)
 , unworded as (delete from record.word where type = '{type}' and id = $1)
 , untimed as (delete from record.moment where type = '{type}' and id = $1)
 , changed as (update {table} set version = $15 + 1, updated_at = $2, body = $3, keys = $4, present = $5, lo = $6,
    hi = $7, deleted = $18 where type = '{type}' and id = $1 and version = $15 returning 1)
{index_rows}
select count(*) from changed
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """The version in force, locked until the transaction ends."""

    version: int
    updated_at: datetime
    deleted: bool
    patient: str | None
    keys: tuple[int, ...]
    lo: datetime


@cache
def _statement(template: str, type_: str) -> str:
    table = types()[type_].partition
    return template.format(table=table, type=type_, index_rows=INDEX_ROWS.format(type=type_))


async def create(tx: Transaction, resource: Resource, *, id: str, now: datetime, patient: str | None = None) -> Stored:
    """Enter a resource as version 1. Raises IdTaken, PatientMissing.

    Bytes are kept as they came, id and meta apart. `patient` names the compartment where the resource itself does not.
    """
    stored, arguments = _entered(resource, id=id, now=now, patient=patient)
    try:
        await tx.raw.execute(_statement(INSERT, stored.type), *arguments)
    except asyncpg.UniqueViolationError as taken:
        raise IdTaken from taken
    return stored


async def create_many(
    tx: Transaction, resources: Iterable[tuple[str, Resource]], *, now: datetime, patient: str | None = None
) -> list[Stored]:
    """Enter many (id, resource) at once: one round trip for thousands, any mixture of types. Raises as `create`."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    entered = []
    for id_, resource in resources:
        stored, arguments = _entered(resource, id=id_, now=now, patient=patient)
        rows.setdefault(stored.type, []).append(arguments)
        entered.append(stored)
    try:
        for type_, batch in rows.items():
            await tx.raw.executemany(_statement(INSERT, type_), batch)
    except asyncpg.UniqueViolationError as taken:
        raise IdTaken from taken
    return entered


async def update(tx: Transaction, resource: Resource, *, id: str, now: datetime, expected: int | None) -> Stored:
    """Replace a resource by its next version, if it is still at `expected` (None: whatever it is at).

    Raises ResourceUnknown, ResourceDeleted, VersionStale, PatientFixed.
    """
    content = _content(resource)
    rules = types()[content["resourceType"]]
    standing = await lock(tx, rules.type, id, expected=expected)
    named = patient_of(content | {"id": id})
    if rules.compartment and named is not None and named != standing.patient:
        raise PatientFixed
    at = max(_milliseconds(now), standing.updated_at)
    body = stamped(resource, id=id, version=standing.version + 1, at=at)
    await _replace(tx, rules, id, standing, at=at, body=body, index=index_of(content), deleted=False)
    return Stored(rules.type, id, standing.version + 1, at, False, standing.patient, body)


async def delete(tx: Transaction, type: str, id: str, *, now: datetime, expected: int | None) -> Stored:
    """Delete a resource: its next version is the deletion. Raises ResourceUnknown, ResourceDeleted, VersionStale."""
    standing = await lock(tx, type, id, expected=expected)
    at = max(_milliseconds(now), standing.updated_at)
    await _replace(tx, types()[type], id, standing, at=at, body=b"", index=NOTHING, deleted=True)
    return Stored(type, id, standing.version + 1, at, True, standing.patient, b"")


async def lock(tx: Transaction, type: str, id: str, *, expected: int | None = None) -> Standing:
    """Hold the version in force against every other writer. Raises ResourceUnknown, ResourceDeleted, VersionStale."""
    row = await tx.raw.fetchrow(_statement(LOCK, type), id)
    if row is None:
        raise ResourceUnknown
    if row["deleted"]:
        raise ResourceDeleted
    if expected is not None and expected != row["version"]:
        raise VersionStale
    return Standing(*row.values())


async def _replace(
    tx: Transaction,
    rules: TypeRules,
    id: str,
    standing: Standing,
    *,
    at: datetime,
    body: bytes,
    index: Index,
    deleted: bool,
) -> None:
    """Keep the standing version as past, and put the next in its place with fresh index rows."""
    # A statement cannot delete and insert one primary key: anchors that stay must be left alone.
    stays = set(index.anchors) if standing.lo == index.main.lo else set()
    gone = [key for key in standing.keys if key not in stays]
    arguments = (*_arguments(id, at, body, index), standing.version, gone, standing.lo, deleted)
    if not await tx.raw.fetchval(_statement(REPLACE, rules.type), *arguments):
        raise VersionStale


def _entered(resource: Resource, *, id: str, now: datetime, patient: str | None) -> tuple[Stored, tuple[Any, ...]]:
    content = _content(resource)
    rules = types()[content["resourceType"]]
    at = _milliseconds(now)
    body = stamped(resource, id=id, version=1, at=at)
    owner = _compartment(rules, content | {"id": id}, given=patient)
    stored = Stored(rules.type, id, 1, at, False, owner, body)
    return stored, (*_arguments(id, at, body, index_of(content)), owner)


def _compartment(rules: TypeRules, content: Mapping[str, Any], *, given: str | None) -> str | None:
    if not rules.compartment:
        return None
    named = patient_of(content)
    if (named is None and given is None) or (given is not None and named not in (None, given)):
        raise PatientMissing
    return named or given


def _content(resource: Resource) -> dict[str, Any]:
    return orjson.loads(resource) if isinstance(resource, bytes) else dict(resource)


def _milliseconds(at: datetime) -> datetime:
    """The instant as meta.lastUpdated says it."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def _arguments(id: str, at: datetime, body: bytes, index: Index) -> tuple[Any, ...]:
    """$1 to $14 of both statements."""
    params, values, written = zip(*index.words, strict=True) if index.words else ((), (), ())
    times, los, his = zip(*index.moments, strict=True) if index.moments else ((), (), ())
    fresh = (id, at, body, index.keys, index.present, index.main.lo, index.main.hi, index.anchors)
    return (*fresh, params, values, written, times, los, his)
