"""What comes along with a search's matches: what they point at, and what points at them.

https://hl7.org/fhir/R4/search.html#include. Who may not see a resource does not get it this way either.
"""

from collections.abc import Iterable

from kernel.database import Transaction
from record import keys
from record.failures import SearchTooLarge
from record.ownership import partitioned, types
from record.query import Include, Query
from record.read import COLUMNS, read_many, stored
from record.stored import Stored
from record.visible import Visible, condition, role_of

MOST = 1000


async def included(tx: Transaction, asked: Query, matches: list[Stored], *, visible: Visible) -> list[Stored]:
    """The resources that come along, each once, matches left out. Raises SearchTooLarge beyond 1,000."""
    known = {match.reference for match in matches}
    along: dict[str, Stored] = {}
    for type_, ids in _pointed_at(asked.includes, matches).items():
        if _readable(type_, visible):
            along |= {one.reference: one for one in await read_many(tx, type_, ids, visible=visible)}
    for include in asked.revincludes:
        along |= {one.reference: one for one in await _pointing(tx, include, matches, visible)}
    kept = [one for reference, one in along.items() if reference not in known]
    if len(kept) > MOST:
        raise SearchTooLarge
    return kept


def _readable(type_: str, visible: Visible) -> bool:
    """Whether the searcher's role reads this type at all."""
    return any(rules.type == type_ for rules in partitioned()) and role_of(visible) in types()[type_].readers


def _pointed_at(includes: Iterable[Include], matches: list[Stored]) -> dict[str, list[str]]:
    """Type -> ids that the matches' parameters refer to."""
    wanted: dict[str, dict[str, None]] = {}
    resources = [match.resource for match in matches] if includes else []
    for include in includes:
        for resource in resources:
            for path in include.parameter.paths:
                for value in path.values(resource):
                    form = keys.reference_form(value) or ""
                    if (local := keys.RELATIVE.fullmatch(form)) and include.target in {None, local[1]}:
                        wanted.setdefault(local[1], {})[local[2]] = None
    return {type_: list(ids) for type_, ids in wanted.items()}


async def _pointing(tx: Transaction, include: Include, matches: list[Stored], visible: Visible) -> list[Stored]:
    type_ = include.parameter.type
    if not matches or not _readable(type_, visible):
        return []
    seen, whose = condition(visible, types()[type_], at=2)
    wanted = [keys.exact(type_, include.parameter.code, match.reference) for match in matches]
    rows = await tx.raw.fetch(
        f"with m as materialized (select {COLUMNS} from {types()[type_].partition} r"  # noqa: S608 - declared names
        f" where not r.deleted and r.keys && $1::bigint[] and {seen} limit {MOST + 1})"
        " select * from m order by id",
        *(wanted, *whose),
    )
    if len(rows) > MOST:
        raise SearchTooLarge
    return [stored(row) for row in rows]
