"""Searching one type: the route through the indexes, the page, and what comes along with it.

A declared anchor in date order goes through the timeline; any other selective key through the key index, fenced in a
materialised step so that the planner cannot walk the date index instead; all else walks the type in order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kernel.database import Transaction
from record import keys as exact_keys
from record.include import included
from record.index import anchor_key
from record.ownership import types
from record.parameters import SEARCHES
from record.query import AnyKey, Condition, IdIn, Query, Words, parse
from record.read import COLUMNS, stored
from record.sql import Arguments, bounds, where
from record.stored import Stored
from record.visible import OnlyPatient, Visible, condition

SECONDS_AT_MOST = 5.0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends: the sort value and id of its last entry."""

    at: datetime
    id: str


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
    statement, arguments = page_statement(asked, visible, after)
    rows = await tx.raw.fetch(statement, *arguments, timeout=SECONDS_AT_MOST)
    entries = [stored(row) for row in (list(row)[1:] for row in rows[: asked.count])]
    last = rows[asked.count - 1] if len(rows) > asked.count else None
    return Page(
        entries,
        includes=await included(tx, asked, entries, visible=visible),
        total=total,
        next=Position(last[0], last["id"]) if last else None,
        ignored=asked.ignored,
    )


async def _count(tx: Transaction, asked: Query, visible: Visible) -> int:
    arguments = Arguments()
    matching = _matching(asked, visible, arguments)
    statement = f"select count(*) from {types()[asked.type].partition} r where {matching}"  # noqa: S608
    return int(await tx.raw.fetchval(statement, *arguments, timeout=SECONDS_AT_MOST))


def page_statement(asked: Query, visible: Visible, after: Position | None = None) -> tuple[str, Arguments]:
    """The statement for one page: sort value, then COLUMNS, one row more than the page holds."""
    arguments = Arguments()
    table = types()[asked.type].partition
    order, beyond = ("desc", "<") if asked.descending else ("asc", ">")
    value = "updated_at" if asked.by_update else "lo"

    def continued(row: str) -> str:
        if after is None:
            return ""
        return f" and ({row}.{value}, {row}.id) {beyond} ({arguments.add(after.at)}, {arguments.add(after.id)})"

    def ordered(row: str) -> str:
        return f"order by {row}.{value} {order}, {row}.id {order} limit {asked.count + 1}"

    anchor, covered = _anchor(asked, visible)
    matching = _matching(asked, visible, arguments, without=covered)
    if anchor is not None:
        since = bounds(asked.conditions, asked.type, "t", arguments)
        walked = f"t.key = {arguments.add(anchor)}{since}{continued('t')} order by t.lo {order}, t.id {order}"
        # OFFSET 0 keeps the planner from joining first and sorting a doctor's every appointment for one page.
        statement = (
            f"select t.lo, r.* from (select t.lo, t.id from record.timeline t where {walked} offset 0) t,"  # noqa: S608
            f" lateral (select {COLUMNS} from {table} r where r.type = '{asked.type}' and r.id = t.id"
            f" and {matching} offset 0) r {ordered('t')}"
        )
    elif _fenced(asked, visible):
        statement = (
            f"with m as materialized (select r.id, r.{value} from {table} r where {matching})"  # noqa: S608
            f" select p.{value}, {COLUMNS} from (select * from m where true{continued('m')} {ordered('m')}) p"
            f" join {table} r on r.type = '{asked.type}' and r.id = p.id order by p.{value} {order}, p.id {order}"
        )
    else:
        statement = f"select r.{value}, {COLUMNS} from {table} r where {matching}{continued('r')} {ordered('r')}"  # noqa: S608
    return statement, arguments


def _matching(asked: Query, visible: Visible, arguments: Arguments, *, without: Collection[Condition] = ()) -> str:
    seen, whose = condition(visible, types()[asked.type], at=len(arguments) + 1)
    arguments.extend(whose)
    fits = [where(one, asked.type, arguments) for one in asked.conditions if one not in without]
    return " and ".join(["not r.deleted", seen, *fits]) + bounds(asked.conditions, asked.type, "r", arguments)


def _fenced(asked: Query, visible: Visible) -> bool:
    """Whether something is selective enough to collect all matches before they are put in order."""
    selective = any(
        (isinstance(one, AnyKey) and one.drives) or isinstance(one, Words | IdIn) for one in asked.conditions
    )
    return selective or _only_own(asked, visible)


def _anchor(asked: Query, visible: Visible) -> tuple[int | None, list[Condition]]:
    """The key of the longest declared anchor whose parameters each have one outright value, and what it answers."""
    if asked.by_update or _only_own(asked, visible):
        return None, []
    single = {one.parameter.code: one for one in asked.conditions if isinstance(one, AnyKey) and _is_outright(one)}
    fitting = [codes for codes in SEARCHES[asked.type].anchors if all(code in single for code in codes)]
    if not fitting:
        return None, []
    codes = max(fitting, key=len)
    key = anchor_key(asked.type, tuple((code, single[code].forms[0]) for code in codes))
    return key, [single[code] for code in codes]


def _is_outright(one: AnyKey) -> bool:
    return not one.negated and len(one.forms) == 1 and bool(exact_keys.main_forms(list(one.forms)))


def _only_own(asked: Query, visible: Visible) -> bool:
    """A patient's own rows of a type are few: the patient's index finds them best, whatever else is asked."""
    return isinstance(visible, OnlyPatient) and types()[asked.type].compartment
