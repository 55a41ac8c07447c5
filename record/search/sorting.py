"""Putting matches in order by any search parameter, and continuing behind a place (https://hl7.org/fhir/R4/search.html#sort).

What FHIR leaves open is decided here. Of several values the smallest counts upwards and the largest downwards. Texts
go by their comparable form, dates by their beginning, quantities by their number whatever the unit, tokens by their
code, references by type and id. What has no value comes last in both directions. Ties go by id, in the direction of
the last parameter.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from record.index.dates import BEGINNING
from record.index.parameters import Kind, Parameter
from record.search.beside import place
from record.search.criterion import is_main
from record.search.jsonpath import values
from record.search.query import SortKey
from record.search.sql import Arguments

SortValue: TypeAlias = datetime | Decimal | str | None
CASTS: dict[type[object], str] = {datetime: "timestamptz", Decimal: "numeric", str: "text"}
COLUMNS = {"_id": "id", "_lastUpdated": "updated_at"}
SIDES = {
    Kind.STRING: ("word", "s.value", "s.value"),
    Kind.DATE: ("moment", "nullif(s.lo, {never})", "nullif(s.lo, {never})"),
    Kind.NUMBER: ("number", "coalesce(s.lo, s.hi)", "coalesce(s.hi, s.lo)"),
    Kind.QUANTITY: ("number", "coalesce(s.lo, s.hi)", "coalesce(s.hi, s.lo)"),
}
"""Table, what counts upwards, what counts downwards."""


def sort_value(key: SortKey, arguments: Arguments, row: str = "r") -> str:
    """The value a row is put in order by."""
    if key.parameter is None:
        return f"{row}.{COLUMNS[key.code]}"
    if is_main(key.parameter):
        return f"nullif({row}.lo, {arguments.add(BEGINNING, 'timestamptz')})"
    if key.parameter.kind in SIDES:
        return _beside(key.parameter, arguments, row, descending=key.descending)
    extreme = "max" if key.descending else "min"
    return f'(select {extreme}(v collate "C") from ({values(key.parameter, arguments, row=row)}) found)'  # noqa: S608


def _beside(parameter: Parameter, arguments: Arguments, row: str, *, descending: bool) -> str:
    table, upwards, downwards = SIDES[parameter.kind]
    value = f"max({downwards})" if descending else f"min({upwards})"
    if "{never}" in value:
        value = value.format(never=arguments.add(BEGINNING, "timestamptz"))
    stands = place(parameter.places, arguments)
    return f"(select {value} from record.{table} s where s.type = '{parameter.type}' and s.id = {row}.id and {stands})"  # noqa: S608


def order_by(keys: Sequence[SortKey], row: str) -> str:
    """The order of rows that carry the sort values as k0, k1 ... and an id."""
    by = [f"{row}.k{n} is null, {row}.k{n} {_direction(key)}" for n, key in enumerate(keys)]
    return f"order by {', '.join(by)}, {row}.id {_direction(keys[-1])}"


def _direction(key: SortKey) -> str:
    return "desc" if key.descending else "asc"


def beyond(keys: Sequence[SortKey], after: Sequence[SortValue], id: str, row: str, arguments: Arguments) -> str:
    """The condition that such a row comes behind this place."""
    id_at = arguments.add(id, "text")
    further = f"{row}.id {'<' if keys[-1].descending else '>'} {id_at}"
    for n, (key, value) in reversed(list(enumerate(zip(keys, after, strict=True)))):
        column = f"{row}.k{n}"
        if value is None:
            further = f"({column} is null and {further})"
        else:
            at = arguments.add(value, CASTS[type(value)])
            past = f"{column} {'<' if key.descending else '>'} {at}"
            further = f"({column} is null or {past} or ({column} = {at} and {further}))"
    return further
