"""What comes along with a search's matches: what they point at, what points at them, and so on with `:iterate`.

https://hl7.org/fhir/R4/search.html#include. Who may not see a resource does not get it this way either.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from kernel.database import Transaction
from record.failures import SearchTooLarge
from record.index import keys
from record.index.paths import Path
from record.ownership import types
from record.read import COLUMNS, MOST_BYTES, is_heavy, light, read_many, stored
from record.search.query import EVERY, Include, Query
from record.search.where import readable
from record.stored import Stored
from record.visible import Visible, condition

MOST = 1000
SECONDS_AT_MOST = 5.0


async def included(tx: Transaction, asked: Query, matches: list[Stored], *, visible: Visible) -> list[Stored]:
    """The resources that come along, each once, matches left out. Raises SearchTooLarge, TimeoutError."""
    # A thousand resources in one long row are a thousand steps of many statements each.
    async with asyncio.timeout(SECONDS_AT_MOST):
        return await _included(tx, asked, matches, visible)


async def _included(tx: Transaction, asked: Query, matches: list[Stored], visible: Visible) -> list[Stored]:
    known = {match.reference for match in matches}
    along: dict[str, Stored] = {}
    includes, revincludes, fresh = asked.includes, asked.revincludes, matches
    while fresh and (includes or revincludes):
        came = await _along(tx, includes, revincludes, fresh, visible)
        fresh = [one for reference, one in came.items() if reference not in known]
        known |= came.keys()
        along |= {one.reference: one for one in fresh}
        _weigh(along)
        if len(along) > MOST:
            raise SearchTooLarge
        includes, revincludes = _iterating(includes), _iterating(revincludes)
    return list(along.values())


def _iterating(includes: Iterable[Include]) -> tuple[Include, ...]:
    return tuple(include for include in includes if include.iterate)


async def _along(
    tx: Transaction,
    includes: Sequence[Include],
    revincludes: Sequence[Include],
    starts: Sequence[Stored],
    visible: Visible,
) -> dict[str, Stored]:
    """What comes along at the first step from these."""
    along: dict[str, Stored] = {}
    for type_, ids in _pointed_at(includes, starts).items():
        if readable(type_, visible):
            along |= {one.reference: one for one in await read_many(tx, type_, ids, visible=visible)}
            _weigh(along)
    for type_, wanted in _pointing_keys(revincludes, starts).items():
        if readable(type_, visible):
            along |= {one.reference: one for one in await _pointing(tx, type_, wanted, visible)}
            _weigh(along)
    return along


def _weigh(along: Mapping[str, Stored]) -> None:
    if sum(len(one.body) for one in along.values()) > MOST_BYTES:
        raise SearchTooLarge


def _pointed_at(includes: Iterable[Include], starts: Sequence[Stored]) -> dict[str, list[str]]:
    """Type -> ids that the resources' parameters refer to."""
    wanted: dict[str, dict[str, None]] = {}
    resources = [(start.type, start.resource) for start in starts] if includes else []
    for include in includes:
        paths = {type_: _paths(include, type_) for type_ in {type_ for type_, _ in resources}}
        for type_, resource in resources:
            for value in (value for path in paths[type_] for value in path.values(resource)):
                form = keys.reference_form(value) or ""
                if (local := keys.RELATIVE.fullmatch(form)) and include.target in {None, local[1]}:
                    wanted.setdefault(local[1], {})[local[2]] = None
    return {type_: list(ids) for type_, ids in wanted.items() if type_ in types()}


def _paths(include: Include, type_: str) -> list[Path]:
    return [path for parameter in include.parameters_of(type_) for path in parameter.paths]


def _pointing_keys(revincludes: Iterable[Include], starts: Sequence[Stored]) -> dict[str, list[int]]:
    """Type -> keys of the references from it that would point at these."""
    wanted: dict[str, list[int]] = {}
    for include in revincludes:
        targets = [start for start in starts if include.target in {None, start.type}]
        for type_ in types() if include.source == EVERY else (include.source,):
            for parameter in include.parameters_of(type_):
                pointed = [one for one in targets if not parameter.targets or one.type in parameter.targets]
                exact = [keys.exact(type_, parameter.code, one.reference) for one in pointed]
                if exact:
                    wanted.setdefault(type_, []).extend(exact)
    return wanted


async def _pointing(tx: Transaction, type_: str, wanted: list[int], visible: Visible) -> list[Stored]:
    seen, whose = condition(visible, types()[type_], at=2)
    rows = await tx.raw.fetch(
        light(
            f"with m as materialized (select {COLUMNS} from {types()[type_].partition} r"  # noqa: S608 - declared names
            f" where not r.deleted and r.keys && $1::bigint[] and {seen} limit {MOST + 1})"
            " select * from m order by id"
        ),
        *(wanted, *whose),
        timeout=SECONDS_AT_MOST,
    )
    if len(rows) > MOST or is_heavy(rows):
        raise SearchTooLarge
    return [stored(row) for row in rows]
