"""A search's criteria as conditions on a row; chains and `_has` ask under the same view as the search itself.

https://hl7.org/fhir/R4/search.html#chaining. What the searcher may not see does not count on the way either: a chain
through it finds nothing.
"""

from record.index.parameters import SEARCHES, Parameter
from record.ownership import KEPT_APART, types
from record.search.beside import beside
from record.search.criterion import AnyKey, Beside, Chain, Criterion, Dates, Has, IdIn, Missing
from record.search.jsonpath import references
from record.search.sql import Arguments, date_condition, instant_condition
from record.visible import Visible, condition, role_of

KEY = "('x' || left(md5({prefix} || {row}.id), 16))::bit(64)::bigint"
"""`keys.key` in SQL."""


def where(
    criterion: Criterion, type_: str, arguments: Arguments, visible: Visible, *, row: str = "r", drives: bool = False
) -> str:
    """The condition on a row of the type's partition; `drives` when the search goes by it."""
    match criterion:
        case AnyKey(negated=negated):
            return _keys(criterion.keys, negated, arguments, row)
        case Missing(number, missing):
            return f"{'not ' if missing else ''}{arguments.add(number)} = any({row}.present)"
        case Dates(parameter=None, values=values):
            return instant_condition(values, f"{row}.updated_at", arguments)
        case Dates(values=values):
            return date_condition(values, f"{row}.lo", f"{row}.hi", arguments)
        case IdIn(ids):
            return f"{row}.type = '{type_}' and {row}.id = any({arguments.add(list(ids), 'text[]')})"
        case Beside():
            return beside(criterion, type_, arguments, row=row, drives=drives)
        case Chain():
            return _chain(criterion, arguments, visible, row=row, drives=drives)
        case Has():
            return _has(criterion, arguments, visible, row=row, drives=drives)


def readable(type_: str, visible: Visible) -> bool:
    """Whether the searcher's role reads this type at all."""
    return type_ not in KEPT_APART and role_of(visible) in types()[type_].readers


def seen_where(type_: str, criterion: Criterion, arguments: Arguments, visible: Visible, *, row: str) -> str:
    """The condition on a row of another type, found by the criterion and seen by the searcher."""
    seen, whose = condition(visible, types()[type_], at=len(arguments) + 1, row=row)
    arguments.extend(whose)
    return f"not {row}.deleted and {seen} and {where(criterion, type_, arguments, visible, row=row, drives=True)}"


def _keys(keys: list[int], negated: bool, arguments: Arguments, row: str) -> str:
    place = arguments.add(keys, "bigint[]")
    if negated:
        return f"not ({row}.keys && {place})"
    return f"{row}.keys {'@>' if len(keys) == 1 else '&&'} {place}"


def _chain(criterion: Chain, arguments: Arguments, visible: Visible, *, row: str, drives: bool) -> str:
    found = " union all ".join(
        _pointed(criterion.parameter, type_, further, arguments, visible, f"{row}c")
        for type_, further in criterion.targets
        if readable(type_, visible)
    )
    if not found:
        return "false"
    if drives:
        return f"{row}.keys && array({found})"
    # IS TRUE and OFFSET 0 keep it a set made once and asked for each row, never a join.
    return f"exists (select 1 from unnest({row}.keys) k where (k in ({found})) is true offset 0)"  # noqa: S608 - declared names


def _pointed(
    parameter: Parameter, type_: str, further: Criterion, arguments: Arguments, visible: Visible, row: str
) -> str:
    """The keys under which references to the fitting resources are found."""
    prefix = arguments.add(f"{parameter.type}.{parameter.code}={type_}/", "text")
    fits = seen_where(type_, further, arguments, visible, row=row)
    return f"select {KEY.format(prefix=prefix, row=row)} from {types()[type_].partition} {row} where {fits}"  # noqa: S608


def _has(criterion: Has, arguments: Arguments, visible: Visible, *, row: str, drives: bool) -> str:
    source, inner = criterion.parameter.type, f"{row}h"
    if not readable(source, visible):
        return "false"
    table, fits = types()[source].partition, seen_where(source, criterion.criterion, arguments, visible, row=inner)
    if not (drives or _finds_few(criterion.criterion)):
        # Asked of each row that was found, by its own key: all that fits is a large part of the type.
        prefix = arguments.add(f"{source}.{criterion.parameter.code}={criterion.type}/", "text")
        whose = f"{inner}.keys @> array[{KEY.format(prefix=prefix, row=row)}]"
        return f"(exists (select 1 from {table} {inner} where {whose} and {fits})) is true"  # noqa: S608
    ids = references(criterion.parameter, criterion.type, arguments, row=inner)
    # DISTINCT: without it the planner expects too many for a set that is made once, and looks through them row by row.
    found = f"select distinct x.id from {table} {inner}, lateral ({ids}) x(id) where {fits}"  # noqa: S608
    whose = f"{row}.type = '{criterion.type}' and {row}.id"
    return f"{whose} = any(array({found}))" if drives else f"({row}.id in ({found})) is true"


def _finds_few(criterion: Criterion) -> bool:
    match criterion:
        case AnyKey(parameter=parameter):
            return criterion.drives and parameter.code not in SEARCHES[parameter.type].long
        case Dates() | Missing():
            return False
    return True
