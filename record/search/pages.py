"""The statement for one page of a search: the route through the indexes, the order, and the place to go on from.

A declared anchor in date order goes through the timeline; any other selective criterion through its own index, fenced
in a materialised step so that the planner cannot walk the date index instead; all else walks the type in order.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from record.index.dates import BEGINNING
from record.ownership import types
from record.read import COLUMNS
from record.search.criterion import Criterion
from record.search.query import Query
from record.search.route import anchor, column, driver, ends_undated, fenced, walked_place
from record.search.sorting import SortValue, beyond, order_by, sort_value
from record.search.sql import Arguments, bounds
from record.search.where import where
from record.visible import Visible, condition


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends: the sort values and id of its last entry."""

    values: tuple[SortValue, ...]
    id: str


class Part(Enum):
    """Which of the matches a statement lists: a walk by an index finds those without a value last, on their own."""

    WHOLE = "whole"
    VALUED = "valued"
    MISSING = "missing"


def parts(asked: Query, visible: Visible, after: Position | None) -> tuple[Part, ...]:
    """The parts that a page may be made of, in order."""
    if not (ends_undated(asked) and not fenced(asked, visible)) and walked_place(asked, visible) is None:
        return (Part.WHOLE,)
    missing = after is not None and after.values[0] in {None, BEGINNING}
    return (Part.MISSING,) if missing else (Part.VALUED, Part.MISSING)


def width(asked: Query) -> int:
    """How many sort values stand before COLUMNS."""
    return max(1, len(asked.sort))


def count_statement(asked: Query, visible: Visible) -> tuple[str, Arguments]:
    """The statement for the number of all matches."""
    arguments = Arguments()
    matching = _matching(asked, visible, arguments, by=driver(asked, visible))
    return f"select count(*) from {types()[asked.type].partition} r where {matching}", arguments  # noqa: S608


def page_statement(
    asked: Query, visible: Visible, after: Position | None = None, part: Part = Part.WHOLE
) -> tuple[str, Arguments]:
    """The statement for one page: sort values, then COLUMNS, one row more than the page holds."""
    arguments = Arguments()
    value = column(asked)
    if fenced(asked, visible):
        if value in {"lo", "updated_at"} and not ends_undated(asked):
            return _fence(asked, visible, after, value, arguments), arguments
        return _sorted(asked, visible, after, arguments), arguments
    if value is not None:
        return _walk(asked, visible, after, value, part, arguments), arguments
    if (place := walked_place(asked, visible)) is None:
        return _sorted(asked, visible, after, arguments), arguments
    if part is Part.MISSING:
        return _wordless(asked, visible, after, place, arguments), arguments
    return _word_walk(asked, visible, after, place, arguments), arguments


def _walk(asked: Query, visible: Visible, after: Position | None, value: str, part: Part, arguments: Arguments) -> str:
    """Along the timeline of an anchor, or along the type's own index."""
    table = types()[asked.type].partition
    key, covered = anchor(asked, visible)
    matching = _matching(asked, visible, arguments, without=covered)
    if key is None:
        of = f"r.type = '{asked.type}' and " if value == "id" else ""
        fits = f"{of}{matching}{_only(part, 'r', arguments)}{_continued(asked, after, value, 'r', arguments)}"
        return f"select r.{value}, {COLUMNS} from {table} r where {fits} {_ordered(asked, value, 'r')}"  # noqa: S608
    since = bounds(asked.conditions, asked.type, "t", arguments) + _only(part, "t", arguments)
    walked = f"t.key = {arguments.add(key)}{since}{_continued(asked, after, value, 't', arguments)}"
    order = _order(asked)
    # OFFSET 0 keeps the planner from joining first and sorting a doctor's every appointment for one page.
    return (
        f"select t.lo, r.* from (select t.lo, t.id from record.timeline t where {walked}"  # noqa: S608
        f" order by t.lo {order}, t.id {order} offset 0) t,"
        f" lateral (select {COLUMNS} from {table} r where r.type = '{asked.type}' and r.id = t.id"
        f" and {matching} offset 0) r {_ordered(asked, value, 't')}"
    )


def _fence(asked: Query, visible: Visible, after: Position | None, value: str, arguments: Arguments) -> str:
    """All matches collected first, in the order of a column."""
    table, order = types()[asked.type].partition, _order(asked)
    matching = _matching(asked, visible, arguments, by=driver(asked, visible))
    return (
        f"with m as materialized (select r.id, r.{value} from {table} r where {matching})"  # noqa: S608
        f" select p.{value}, {COLUMNS} from (select * from m where true"
        f"{_continued(asked, after, value, 'm', arguments)} {_ordered(asked, value, 'm')}) p"
        f" join {table} r on r.type = '{asked.type}' and r.id = p.id order by p.{value} {order}, p.id {order}"
    )


def _sorted(asked: Query, visible: Visible, after: Position | None, arguments: Arguments) -> str:
    """All matches collected first, with whatever they are put in order by."""
    table, keys = types()[asked.type].partition, asked.sort
    matching = _matching(asked, visible, arguments, by=driver(asked, visible))
    values = "".join(f", {sort_value(key, arguments)} as k{n}" for n, key in enumerate(keys))
    further = beyond(keys, after.values, after.id, "m", arguments) if after else "true"
    shown = ", ".join(f"p.k{n}" for n in range(len(keys)))
    return (
        f"with m as materialized (select r.id{values} from {table} r where {matching})"  # noqa: S608
        f" select {shown}, {COLUMNS} from (select * from m where {further}"
        f" {order_by(keys, 'm')} limit {asked.count + 1}) p"
        f" join {table} r on r.type = '{asked.type}' and r.id = p.id {order_by(keys, 'p')}"
    )


def _word_walk(asked: Query, visible: Visible, after: Position | None, place: int, arguments: Arguments) -> str:
    """Along the texts of one parameter, each resource at its first."""
    table, order = types()[asked.type].partition, _order(asked)
    matching = _matching(asked, visible, arguments)
    at = arguments.add(place, "int")
    earlier = (
        f"select 1 from record.word o where o.type = '{asked.type}' and o.id = s.id and o.place = {at}"  # noqa: S608
        f" and o.value {'>' if order == 'desc' else '<'} s.value offset 0"
    )
    walked = f"s.type = '{asked.type}' and s.place = {at} and not exists ({earlier})"
    walked += _continued(asked, after, "value", "s", arguments)
    # OFFSET 0 keeps the planner from joining first and sorting a whole type for one page.
    return (
        f"select t.value, r.* from (select s.value, s.id from record.word s where {walked}"  # noqa: S608
        f" group by s.value, s.id order by s.value {order}, s.id {order} offset 0) t,"
        f" lateral (select {COLUMNS} from {table} r where r.type = '{asked.type}' and r.id = t.id"
        f" and {matching} offset 0) r {_ordered(asked, 'value', 't')}"
    )


def _wordless(asked: Query, visible: Visible, after: Position | None, place: int, arguments: Arguments) -> str:
    """Those without such a text, by id."""
    table, order = types()[asked.type].partition, _order(asked)
    matching = _matching(asked, visible, arguments)
    at = arguments.add(place, "int")
    texts = f"select 1 from record.word s where s.type = '{asked.type}' and s.id = r.id and s.place = {at} offset 0"  # noqa: S608
    behind = ""
    if after and after.values[0] is None:
        behind = f" and r.id {'<' if order == 'desc' else '>'} {arguments.add(after.id, 'text')}"
    return (
        f"select null::text, {COLUMNS} from {table} r where r.type = '{asked.type}' and {matching}"  # noqa: S608
        f" and not exists ({texts}){behind} order by r.id {order} limit {asked.count + 1}"
    )


def _matching(
    asked: Query,
    visible: Visible,
    arguments: Arguments,
    *,
    without: Collection[Criterion] = (),
    by: Criterion | None = None,
) -> str:
    seen, whose = condition(visible, types()[asked.type], at=len(arguments) + 1)
    arguments.extend(whose)
    fits = [
        where(one, asked.type, arguments, visible, drives=one is by) for one in asked.conditions if one not in without
    ]
    return " and ".join(["not r.deleted", seen, *fits]) + bounds(asked.conditions, asked.type, "r", arguments)


def _order(asked: Query) -> str:
    return "desc" if asked.sort and asked.sort[-1].descending else "asc"


def _ordered(asked: Query, value: str, row: str) -> str:
    order = _order(asked)
    return f"order by {row}.{value} {order}, {row}.id {order} limit {asked.count + 1}"


def _continued(asked: Query, after: Position | None, value: str, row: str, arguments: Arguments) -> str:
    if after is None:
        return ""
    beyond = "<" if _order(asked) == "desc" else ">"
    return f" and ({row}.{value}, {row}.id) {beyond} ({arguments.add(after.values[0])}, {arguments.add(after.id)})"


def _only(part: Part, row: str, arguments: Arguments) -> str:
    if part is Part.WHOLE:
        return ""
    return f" and {row}.lo {'>' if part is Part.VALUED else '='} {arguments.add(BEGINNING, 'timestamptz')}"
