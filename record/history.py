"""The history of a resource, of a type, and of the whole record, newest first (https://hl7.org/fhir/R4/http.html#history).

The histories of a type and of the record end where everything is settled (record/settling.py); that of one resource
needs no such end, since its versions follow one another.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from kernel.database import Transaction
from record.failures import ParameterUnknown, ResourceUnknown, ValueUnreadable
from record.index import dates
from record.index.dates import Range
from record.ownership import TypeRules, partitioned, types
from record.read import COLUMNS, light, paged, stored
from record.search.query import LARGEST_COUNT, USUAL_COUNT
from record.search.searching import SECONDS_AT_MOST
from record.search.sql import Arguments
from record.stored import Stored
from record.visible import Visible, condition, role_of

NEWEST_FIRST = "order by updated_at desc, type desc, id desc, version desc"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: its last version."""

    at: datetime
    type: str
    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Span:
    """Which versions are asked for, and how many on a page."""

    count: int = USUAL_COUNT
    since: datetime | None = None
    at: Range | None = None

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]]) -> Self:
        """What `_count`, `_since` and `_at` say. Raises ParameterUnknown, ValueUnreadable."""
        count, since, at = USUAL_COUNT, None, None
        for name, value in query:
            match name:
                case "_count":
                    if not re.fullmatch(r"[1-9][0-9]{0,5}", value, re.ASCII):
                        raise ValueUnreadable("_count must be a whole number above 0.")
                    count = min(int(value), LARGEST_COUNT)
                case "_since":
                    since = _dated(name, value).lo
                case "_at":
                    at = _dated(name, value)
                case _:
                    raise ParameterUnknown("A history takes _since, _count, _elements and _summary.")
        return cls(count, since, at)

    @property
    def all(self) -> bool:
        """No version is left out for its time."""
        return self.since is None and self.at is None


@dataclass(frozen=True, slots=True)
class Past:
    """One page of a history."""

    versions: list[Stored] = field(default_factory=list)
    next: Place | None = None


async def history_of_resource(
    tx: Transaction, type: str, id: str, span: Span, *, visible: Visible, after: Place | None = None
) -> Past:
    """Versions of one resource; with `_at` those that were in force then. Raises ResourceUnknown."""
    rules, arguments = types()[type], Arguments()
    named = arguments.add(id)
    seen, whose = condition(visible, rules, at=len(arguments) + 1)
    arguments.extend(whose)
    which = f"r.type = '{type}' and r.id = {named} and {seen}"
    wanted = ["true"]
    if span.since:
        wanted.append(f"updated_at >= {arguments.add(span.since)}")
    if span.at:
        until, since = arguments.add(span.at.hi), arguments.add(span.at.lo)
        wanted.append(f"updated_at < {until} and (replaced_at is null or replaced_at > {since})")
    if after:
        wanted.append(f"version < {arguments.add(after.version)}")
    rows = await tx.raw.fetch(
        light(
            "select type, id, version, updated_at, deleted, patient, body from"  # noqa: S608 - declared names
            " (select v.*, lead(updated_at) over (order by version) as replaced_at from"
            f" (select {COLUMNS} from {rules.partition} r where {which}"
            f" union all select {COLUMNS} from record.past r where {which}) v) v"
            f" where {' and '.join(wanted)} order by version desc limit {span.count + 1}"
        ),
        *arguments,
        timeout=SECONDS_AT_MOST,
    )
    if not rows and not await _exists(tx, rules, id, visible):
        raise ResourceUnknown
    return _page(rows, span)


async def history_of(
    tx: Transaction,
    listed: Sequence[str],
    span: Span,
    *,
    visible: Visible,
    until: datetime,
    after: Place | None = None,
) -> Past:
    """Versions of these types' resources that are older than `until`. Raises ParameterUnknown."""
    if span.at:
        raise ParameterUnknown("_at is asked of one resource's history.")
    arguments = Arguments()
    bounds = [f"r.updated_at < {arguments.add(until)}"]
    if span.since:
        bounds.append(f"r.updated_at >= {arguments.add(span.since)}")
    if after:
        place = [arguments.add(one) for one in (after.at, after.type, after.id, after.version)]
        bounds += [f"r.updated_at <= {place[0]}", f"(r.updated_at, r.type, r.id, r.version) < ({', '.join(place)})"]
    # What someone may see is said by the same values for every type, so they are given once.
    mine = {type_: condition(visible, types()[type_], at=len(arguments) + 1) for type_ in listed}
    arguments.extend(next((whose for _, whose in mine.values() if whose), []))
    within, most = " and ".join(bounds), f"limit {span.count + 1}"
    branches = []
    for type_, (seen, _) in mine.items():
        # A partition holds one type and one version of each id: just what its index by instant and id is in order of.
        branches += [
            f"(select {COLUMNS} from {types()[type_].partition} r where {seen} and {within}"  # noqa: S608
            f" order by r.updated_at desc, r.id desc {most})",
            f"(select {COLUMNS} from record.past r where r.type = '{type_}' and {seen} and {within}"  # noqa: S608
            f" order by r.updated_at desc, r.id desc, r.version desc {most})",
        ]
    rows = await tx.raw.fetch(
        light(f"select * from ({' union all '.join(branches)}) v {NEWEST_FIRST} {most}"),  # noqa: S608
        *arguments,
        timeout=SECONDS_AT_MOST,
    )
    return _page(rows, span)


def readable(visible: Visible) -> list[str]:
    """The types whose history someone who sees this much may read."""
    return [rules.type for rules in partitioned() if role_of(visible) in rules.readers]


async def _exists(tx: Transaction, rules: TypeRules, id: str, visible: Visible) -> bool:
    seen, whose = condition(visible, rules, at=2)
    found = await tx.raw.fetchval(
        f"select exists (select from {rules.partition} r where r.type = '{rules.type}' and r.id = $1 and {seen})",  # noqa: S608
        *(id, *whose),
    )
    return bool(found)


def _page(rows: Sequence[Any], span: Span) -> Past:
    page, more = paged(rows, span.count)
    versions = [stored(row) for row in page]
    last = versions[-1] if more else None
    return Past(versions, Place(last.updated_at, last.type, last.id, last.version) if last else None)


def _dated(name: str, value: str) -> Range:
    try:
        return dates.read(value.replace(" ", "+"))
    except ValueError:
        raise ValueUnreadable(f"{name} must be an instant such as 2026-11-25T08:00:00Z.") from None
