"""All that is known of one patient, page by page: the compartment, and the directory's entries it points at.

https://hl7.org/fhir/R4/patient-operation-everything.html. The order is type, main date, id; one statement walks the
patient's index of every type that is still to come.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any, Self

from kernel.auth.principal import Role
from kernel.database import Transaction
from record.failures import PageUnreadable, SearchTooLarge, ValueUnreadable
from record.index import dates
from record.index.dates import BEGINNING, END
from record.index.keys import own_base
from record.index.parameters import SEARCHES
from record.ownership import TypeRules, partitioned
from record.read import COLUMNS, light, paged, read, read_many, stored
from record.search.include import MOST
from record.search.query import LARGEST_COUNT, USUAL_COUNT
from record.search.searching import SECONDS_AT_MOST
from record.stored import Stored
from record.visible import Visible, condition

REFERENCE = re.compile(
    rb'"reference"\s*:\s*"(?:%b)?([A-Z][A-Za-z]+)\\?/([A-Za-z0-9\-.]{1,64})[\\/"]' % re.escape(own_base().encode())
)
"""A reference into the record, in stored bytes; JSON allows a backslash before a slash."""
WITHIN = "r.hi = $8::timestamptz or (r.hi > $6::timestamptz and r.lo < $7::timestamptz)"
REMEMBERED = 400
"""How many entries of the directory a page link remembers as given, so that each comes once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the record is asked for."""

    types: tuple[str, ...]
    """The compartment's types, in the order they are walked."""
    directory: frozenset[str]
    """The types that come along where they are pointed at."""
    start: datetime = BEGINNING
    end: datetime = END
    since: datetime = BEGINNING
    count: int = USUAL_COUNT


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a page ends, and which entries of the directory were given by then."""

    type: str
    at: datetime
    id: str
    given: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.type, self.at.isoformat(), self.id, *self.given))

    @classmethod
    def read(cls, text: str) -> Self:
        """The same from its text. Raises PageUnreadable."""
        try:
            type_, at, id_, *given = text.split(" ")
            return cls(type_, datetime.fromisoformat(at), id_, tuple(given))
        except ValueError:
            raise PageUnreadable from None


@dataclass(frozen=True, slots=True)
class Part:
    """One page: the patient's own resources, what comes along, and where the next page begins."""

    own: list[Stored]
    along: list[Stored]
    next: Reached | None


def wanted(asked: Mapping[str, Any], role: Role) -> Wanted:
    """The operation's parameters understood: start, end, _since, _type, _count. Raises ValueUnreadable."""
    names = [name for given in _texts(asked, "_type") for name in given.split(",")]
    own, directory = readable(role)
    if not {*own, *directory}.issuperset(names):
        raise ValueUnreadable("_type must list types that this account reads, such as Observation.")
    types = tuple(type_ for type_ in own if type_ in names or not names)
    if not types:
        raise ValueUnreadable("_type must name a type of the patient's own record; others come along with these.")
    return Wanted(
        types,
        frozenset(type_ for type_ in directory if type_ in names or not names),
        _date(asked, "start").lo,
        _date(asked, "end", dates.Range(END, END)).hi,
        _date(asked, "_since").lo,
        _count(asked),
    )


@cache
def readable(role: Role) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The types of the compartment, the patient first, and of the directory, as far as this role reads them."""
    mine = [rules for rules in partitioned() if role in rules.readers]
    own = sorted((rules.type for rules in mine if rules.compartment), key=lambda type_: (type_ != "Patient", type_))
    return tuple(own), tuple(rules.type for rules in mine if _in_directory(rules))


def _in_directory(rules: TypeRules) -> bool:
    return not rules.compartment or rules.open_without_patient


def _texts(asked: Mapping[str, Any], name: str) -> list[str]:
    given = asked.get(name, [])
    return [str(one) for one in (given if isinstance(given, list) else [given])]


def _single(asked: Mapping[str, Any], name: str) -> str | None:
    given = _texts(asked, name)
    if len(given) > 1:
        raise ValueUnreadable(f"{name} may be given once.")
    return given[0] if given else None


def _date(asked: Mapping[str, Any], name: str, absent: dates.Range = dates.UNDATED) -> dates.Range:
    text = _single(asked, name)
    if text is None:
        return absent
    try:
        # A plus sign that came through a form as a space is still a plus sign.
        return dates.read(text.replace(" ", "+"))
    except ValueError:
        raise ValueUnreadable(f"{name} must be a date such as 2026-11-25.") from None


def _count(asked: Mapping[str, Any]) -> int:
    text = _single(asked, "_count") or str(USUAL_COUNT)
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise ValueUnreadable("_count must be a whole number above 0.")
    return min(int(text), LARGEST_COUNT)


async def everything(
    tx: Transaction, patient: str, asked: Wanted, *, visible: Visible, after: Reached | None = None
) -> Part:
    """One page of what is known of a patient, as far as it may be seen; `after` continues an earlier page.

    Raises ResourceUnknown, ResourceDeleted for the patient, SearchTooLarge.
    """
    await read(tx, "Patient", patient, visible=visible)
    place = _place(asked, after)
    statement, whose = _statement(asked.types, visible)
    arguments = (patient, *place, asked.since, asked.start, asked.end, BEGINNING, asked.count + 1, *whose)
    rows, more = paged(await tx.raw.fetch(light(statement), *arguments, timeout=SECONDS_AT_MOST), asked.count)
    own = [stored(row[2:]) for row in rows]
    given = after.given if after else ()
    along = await _along(tx, own, asked.directory, known=given, visible=visible)
    if not more:
        return Part(own, along, None)
    last = rows[-1]
    remembered = (*given, *(_mark(one.reference) for one in along))[-REMEMBERED:]
    return Part(own, along, Reached(last["type"], last["lo"], last["id"], remembered))


def _place(asked: Wanted, after: Reached | None) -> tuple[int, datetime, str]:
    """Number of the type to go on with, and the place in it that was reached. Raises PageUnreadable."""
    if after is None:
        return 0, BEGINNING, ""
    if after.type not in asked.types:
        raise PageUnreadable
    return asked.types.index(after.type), after.at, after.id


def _statement(types: Sequence[str], visible: Visible) -> tuple[str, list[object]]:
    """The page's statement, the same text for every page, so that its plan is made once.

    $1 patient; $2 to $4 the place reached; $5 since; $6 and $7 start and end; $8 what undated rows have; $9 rows.
    """
    rules = {one.type: one for one in partitioned()}
    parts, whose = [], list[object]()
    for number, type_ in enumerate(types):
        seen, whose = condition(visible, rules[type_], at=10)
        # A patient's or person's main date is the birthday, which says nothing of when something was done.
        dateless = SEARCHES[type_].date == "birthdate"
        parts.append(
            f"(select {number} as n, r.lo, {COLUMNS} from {rules[type_].partition} r"  # noqa: S608 - declared names
            f" where r.type = '{type_}' and r.patient = $1 and {number} >= $2::int"
            f" and ({number} > $2 or (r.lo, r.id) > ($3::timestamptz, $4::text)) and not r.deleted and {seen}"
            f" and r.updated_at >= $5::timestamptz and ({str(dateless).lower()} or {WITHIN})"
            " order by r.lo, r.id limit $9)"
        )
    united = " union all ".join(parts)
    return f"select * from ({united}) v order by n, lo, id limit $9", whose  # noqa: S608


async def _along(
    tx: Transaction, own: Iterable[Stored], directory: Collection[str], *, known: Collection[str], visible: Visible
) -> list[Stored]:
    """The entries of the directory these point at, one hop, without those already given. Raises SearchTooLarge."""
    asked: dict[str, dict[str, None]] = {}
    pointed = dict.fromkeys(match for one in own for match in REFERENCE.findall(one.body))
    for type_, id_ in ((type_.decode(), id_.decode()) for type_, id_ in pointed):
        if type_ in directory and _mark(f"{type_}/{id_}") not in known:
            asked.setdefault(type_, {})[id_] = None
    if sum(map(len, asked.values())) > MOST:
        raise SearchTooLarge
    found = [await read_many(tx, type_, list(ids), visible=visible) for type_, ids in asked.items()]
    return [one for many in found for one in many if one.patient is None]


def _mark(reference: str) -> str:
    """A short sign of a reference: two of 400 are alike once in a thousand million cases."""
    return blake2b(reference.encode(), digest_size=6).hexdigest()
