"""Index rows made anew where a type's search parameters have changed, so that none is ever stale.

Each type remembers the digest of the definition its rows were made from. The work goes on in batches, each in a
transaction of its own, and after having died at any line continues where it stood.
"""

import hashlib
from collections.abc import Iterator

from kernel.database import Raw
from record import bulk
from record.index.index import index_of
from record.index.parameters import SEARCHES, Parameter, parameters
from record.index.walks import side_tables
from record.ownership import TypeRules, partitioned
from record.splice import decoded

EDITION = 1
"""Raised whenever forms, words, dates or quantities are read differently, which no definition shows."""
AT_ONCE = 500


def digest(type_: str) -> str:
    """What the index rows of a type are made from, as one word."""
    search = SEARCHES[type_]
    spelt = [str(EDITION), str(search.date), str(search.anchors), str(sorted(side_tables(type_)))]
    spelt += sorted(line for parameter in parameters(type_).values() for line in _spelt(parameter))
    return hashlib.sha256("\n".join(spelt).encode()).hexdigest()


def _spelt(parameter: Parameter) -> Iterator[str]:
    yield f"{parameter.code} {parameter.kind} {parameter.text}"
    for path in parameter.paths:
        yield f"{parameter.code} {path.spelling}:{path.type} {path.is_so}"
    for part in parameter.components:
        yield f"{parameter.code} {part.kind} {[f'{path.spelling}:{path.type}' for path in part.paths]}"


async def unfinished(raw: Raw) -> list[tuple[TypeRules, str]]:
    """The types whose rows are not those of today's definition, each with the id up to which they are."""
    rows = await raw.fetch("select type, digest, after from record.indexed")
    known = {row["type"]: (row["digest"], row["after"]) for row in rows}
    todo = []
    for rules in partitioned():
        made_from, after = known.get(rules.type, ("", None))
        if made_from != digest(rules.type):
            todo.append((rules, ""))
        elif after is not None:
            todo.append((rules, after))
    return todo


async def go_on(raw: Raw, rules: TypeRules, after: str) -> str | None:
    """Make the next batch of a type's index rows anew; gives the id it ended with, or None when the type is done."""
    rows = await raw.fetch(
        f"select id, body from {rules.partition} where type = '{rules.type}' and id > $1 and not deleted"  # noqa: S608
        f" order by id limit {AT_ONCE} for update",
        after,
    )
    ids = [row["id"] for row in rows]
    if ids:
        await _forget(raw, rules, ids)
        await bulk.reindex(raw, rules.type, [(row["id"], index_of(decoded(row["body"]))) for row in rows])
    done = ids[-1] if len(ids) == AT_ONCE else None
    await raw.execute(
        "insert into record.indexed (type, digest, after) values ($1, $2, $3)"
        " on conflict (type) do update set digest = excluded.digest, after = excluded.after",
        *(rules.type, digest(rules.type), done),
    )
    return done


async def _forget(raw: Raw, rules: TypeRules, ids: list[str]) -> None:
    """Take away the side rows of these resources, whatever they were made from."""
    await raw.execute(
        f"delete from record.timeline t using {rules.partition} r, unnest(r.keys) as k(key)"  # noqa: S608
        f" where r.type = '{rules.type}' and r.id = any($1::text[]) and t.key = k.key and t.lo = r.lo and t.id = r.id",
        ids,
    )
    for table in ("word", "number", "moment"):
        await raw.execute(
            f"delete from record.{table} where type = '{rules.type}' and id = any($1::text[])",  # noqa: S608
            ids,
        )
