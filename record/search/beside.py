"""Texts, moments and numbers looked up in the side tables, beside a code where the parameter is a composite.

https://hl7.org/fhir/R4/search.html#prefix. A number is compared as it is with gt, lt, ge, le, sa and eb, and as what it
may mean with eq and ne; a range's and a comparator's open end reaches for ever. A quantity without a unit in the search
matches whatever its unit.
"""

from record.index import keys, words
from record.search.criterion import Amount, Beside, Coded, Compared, Match, Moment, Text
from record.search.sql import Arguments, date_condition, limits

LAST_LETTER = chr(0x10FFFF)
INSIDE = "(s.lo >= {since} and s.lo < {until} and s.hi < {until})"
FITS = {
    "eq": INSIDE,
    "ne": f"({INSIDE} is not true)",
    "gt": "(s.hi > {value} or s.hi is null)",
    "lt": "(s.lo < {value} or s.lo is null)",
    "ge": "(s.hi >= {value} or s.hi is null)",
    "le": "(s.lo <= {value} or s.lo is null)",
    "sa": "s.lo > {value}",
    "eb": "s.hi < {value}",
    "ap": "((s.lo <= {until} or s.lo is null) and (s.hi >= {since} or s.hi is null))",
}


def beside(criterion: Beside, type_: str, arguments: Arguments, *, row: str, drives: bool) -> str:
    """The condition on `row`: as what is searched by, or as a filter on rows found otherwise."""
    of = f"s.type = '{type_}' and {place(criterion.parameter.places, arguments)}"
    fits = " or ".join(_fits(coded, sought, arguments) for coded, sought in criterion.values)
    if drives:
        # An array is looked up by id one by one; a plain IN lets the planner read the whole type instead.
        found = f"select s.id from record.{criterion.table} s where {of} and ({fits})"  # noqa: S608 - declared names
        return f"{row}.type = '{type_}' and {row}.id = any(array({found}))"
    # OFFSET 0 keeps it a question about each row, never a join over every value there is.
    found = f"select 1 from record.{criterion.table} s where s.id = {row}.id and {of} and ({fits}) offset 0"  # noqa: S608
    return f"exists ({found})"


def place(places: list[int], arguments: Arguments, row: str = "s") -> str:
    """The condition that a side row stands at one of these places."""
    if len(places) == 1:
        return f"{row}.place = {arguments.add(places[0], 'int')}"
    return f"{row}.place = any({arguments.add(places, 'int[]')})"


def _fits(coded: Coded | None, sought: Compared, arguments: Arguments) -> str:
    match sought:
        case Text(match, text):
            fits = _word(text, match, arguments)
        case Moment(prefix, range_):
            then = date_condition(((prefix, range_),), "s.lo", "s.hi", arguments)
            fits = f"({then}{limits(prefix, range_, 's.lo', arguments)})"
        case Amount():
            fits = _number(sought, arguments)
    return fits if coded is None else f"({_code(coded, arguments)} and {fits})"


def _code(coded: Coded, arguments: Arguments) -> str:
    fits = f"s.code = {arguments.add(keys.key(coded.code), 'bigint')}"
    if coded.system is None:
        return fits
    of = f"= {arguments.add(keys.key(coded.system), 'bigint')}" if coded.system else "is null"
    return f"{fits} and s.system {of}"


def _word(value: str, match: Match, arguments: Arguments) -> str:
    plain = words.plain(value)
    if match is Match.EXACT:
        return f"(s.value = {arguments.add(plain)} and s.written = {arguments.add(value)})"
    if match is Match.CONTAINS:
        return f"s.value like {arguments.add('%' + _literal(plain) + '%')}"
    return f"(s.value >= {arguments.add(plain)} and s.value < {arguments.add(plain + LAST_LETTER)})"


def _literal(text: str) -> str:
    """A text with LIKE's own marks made plain."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _number(asked: Amount, arguments: Arguments) -> str:
    fits = FITS[asked.prefix]
    values = {"since": asked.inside[0], "until": asked.inside[1], "value": asked.value}
    # PostgreSQL cannot tell the type of an argument that no text refers to.
    named = {name: arguments.add(value, "numeric") for name, value in values.items() if f"{{{name}}}" in fits}
    return f"({fits.format(**named)}{_unit(asked, arguments)})"


def _unit(asked: Amount, arguments: Arguments) -> str:
    """A unit without a system may be its code or how it is printed."""
    fits = "" if asked.system is None else f" and s.unit_system = {arguments.add(asked.system, 'text')}"
    if asked.code is None:
        return fits
    code = arguments.add(asked.code, "text")
    return fits + (f" and s.unit_code = {code}" if asked.system else f" and (s.unit_code = {code} or s.unit = {code})")
