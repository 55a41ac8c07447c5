"""Writing a resource: bytes, version, index rows and the replaced version, in the caller's transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from kernel.database import Transaction
from record import bulk
from record.compartment import patient_of
from record.failures import IdTaken, PatientFixed, PatientMissing, ResourceDeleted, ResourceUnknown, VersionStale
from record.index.index import NOTHING, Index, index_of
from record.ownership import TypeRules, types
from record.splice import decoded, stamped
from record.statements import inserting, locking, replacing
from record.stored import Stored

Resource = Mapping[str, Any] | bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """The version in force, locked until the transaction ends."""

    version: int
    updated_at: datetime
    deleted: bool
    patient: str | None
    keys: tuple[int, ...]
    lo: datetime


async def create(tx: Transaction, resource: Resource, *, id: str, now: datetime, patient: str | None = None) -> Stored:
    """Enter a resource as version 1. Raises IdTaken, PatientMissing.

    Bytes are kept as they came, id and meta apart. `patient` names the compartment where the resource itself does not;
    one without either belongs to nobody.
    """
    stored, index = _entered(resource, id=id, now=now, patient=patient)
    statement, arguments = inserting(stored, index)
    try:
        await tx.raw.execute(statement, *arguments)
    except asyncpg.UniqueViolationError as taken:
        raise IdTaken from taken
    return stored


async def create_many(
    tx: Transaction, resources: Iterable[tuple[str, Resource]], *, now: datetime, patient: str | None = None
) -> list[Stored]:
    """Enter many (id, resource) at once, any mixture of types, by a few statements. Raises as `create`."""
    rows: dict[str, list[tuple[Stored, Index]]] = {}
    entered = []
    for id_, resource in resources:
        stored, index = _entered(resource, id=id_, now=now, patient=patient)
        rows.setdefault(stored.type, []).append((stored, index))
        entered.append(stored)
    try:
        for type_, fresh in rows.items():
            await bulk.enter(tx.raw, type_, fresh)
    except asyncpg.UniqueViolationError as taken:
        raise IdTaken from taken
    return entered


async def update(
    tx: Transaction, resource: Resource, *, id: str, now: datetime, expected: int | None, revive: bool = False
) -> Stored:
    """Replace a resource by its next version, if it is still at `expected` (None: whatever it is at).

    With `revive` a deleted one is brought back as the version after the deletion.

    Raises ResourceUnknown, ResourceDeleted, VersionStale, PatientFixed.
    """
    content = _content(resource)
    rules = types()[content["resourceType"]]
    standing = await lock(tx, rules.type, id, expected=expected, revive=revive)
    named = patient_of(content | {"id": id}) if rules.compartment else None
    if named is not None and standing.patient not in {None, named}:
        raise PatientFixed
    at = max(_milliseconds(now), standing.updated_at)
    body = stamped(resource, id=id, version=standing.version + 1, at=at)
    after = Stored(rules.type, id, standing.version + 1, at, False, standing.patient or named, body)
    await _replace(tx, standing, after, index_of(content))
    return after


async def delete(tx: Transaction, type: str, id: str, *, now: datetime, expected: int | None) -> Stored:
    """Delete a resource: its next version is the deletion. Raises ResourceUnknown, ResourceDeleted, VersionStale."""
    standing = await lock(tx, type, id, expected=expected)
    at = max(_milliseconds(now), standing.updated_at)
    after = Stored(type, id, standing.version + 1, at, True, standing.patient, b"")
    await _replace(tx, standing, after, NOTHING)
    return after


async def lock(tx: Transaction, type: str, id: str, *, expected: int | None = None, revive: bool = False) -> Standing:
    """Hold the version in force against every other writer. Raises ResourceUnknown, ResourceDeleted, VersionStale."""
    row = await tx.raw.fetchrow(locking(type), id)
    if row is None:
        raise ResourceUnknown
    if row["deleted"] and not revive:
        raise ResourceDeleted
    if expected is not None and expected != row["version"]:
        raise VersionStale
    return Standing(*row.values())


async def _replace(tx: Transaction, standing: Standing, after: Stored, index: Index) -> None:
    """Keep the standing version as past, and put the next in its place with fresh index rows."""
    # A statement cannot delete and insert one primary key: anchors that stay must be left alone.
    stays = set(index.anchors) if standing.lo == index.main.lo else set()
    gone = [key for key in standing.keys if key not in stays]
    statement, arguments = replacing(after, index, gone=gone, gone_at=standing.lo)
    if not await tx.raw.fetchval(statement, *arguments):
        raise VersionStale


def _entered(resource: Resource, *, id: str, now: datetime, patient: str | None) -> tuple[Stored, Index]:
    content = _content(resource)
    rules = types()[content["resourceType"]]
    at = _milliseconds(now)
    body = stamped(resource, id=id, version=1, at=at)
    owner = _compartment(rules, content | {"id": id}, given=patient)
    return Stored(rules.type, id, 1, at, False, owner, body), index_of(content)


def _compartment(rules: TypeRules, content: Mapping[str, Any], *, given: str | None) -> str | None:
    if not rules.compartment:
        return None
    named = patient_of(content)
    if given is not None and named not in {None, given}:
        raise PatientMissing
    return named or given


def _content(resource: Resource) -> dict[str, Any]:
    return decoded(resource) if isinstance(resource, bytes) else dict(resource)


def _milliseconds(at: datetime) -> datetime:
    """The instant as meta.lastUpdated says it."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
