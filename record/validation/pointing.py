"""Where a resource points inside the record, and what of that is not to be found (https://hl7.org/fhir/R4/references.html)."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from kernel.database import Transaction
from record.index.keys import RELATIVE
from record.ownership import KEPT_APART, types
from record.validation.shape import shape_of
from record.visible import Visible, condition, role_of

MOST_REFERENCES = 500
MOST_TOLD = 50
NOT_FOUND = "This points at nothing that is here and yours to see."


async def missing(tx: Transaction, resource: dict[str, Any], *, visible: Visible) -> list[dict[str, Any]]:
    """A warning for each local reference whose target is not there, said alike of what is hidden from the asker."""
    pointing = dict(islice(local_references(resource), MOST_REFERENCES))
    wanted: dict[str, set[str]] = {}
    for type_, id_ in pointing.values():
        wanted.setdefault(type_, set()).add(id_)
    found = {(type_, id_) for type_, ids in wanted.items() for id_ in await _there(tx, type_, ids, visible)}
    places = [place for place, target in pointing.items() if target not in found]
    return [_warning(place) for place in places[:MOST_TOLD]]


def local_references(resource: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Place -> (type, id) of each reference into the record; a misshapen resource is read as far as it goes."""
    type_ = resource.get("resourceType")
    if isinstance(type_, str):
        yield from _below(resource, type_, type_)


def _below(node: dict[str, Any], kind: str, place: str) -> Iterator[tuple[str, tuple[str, str]]]:
    if kind == "Reference" and isinstance(text := node.get("reference"), str) and (local := RELATIVE.fullmatch(text)):
        yield place, (local[1], local[2])
    parts = shape_of(kind).parts
    for name, value in node.items():
        if name in parts:
            many = isinstance(value, list)
            for i, item in enumerate(value if many else [value]):
                if isinstance(item, dict):
                    inner = item.get("resourceType") if parts[name].kind == "Resource" else parts[name].kind
                    yield from _below(item, str(inner), f"{place}.{name}[{i}]" if many else f"{place}.{name}")


async def _there(tx: Transaction, type_: str, ids: set[str], visible: Visible) -> set[str]:
    rules = types().get(type_)
    if rules is None or type_ in KEPT_APART or role_of(visible) not in rules.readers:
        return set()
    seen, arguments = condition(visible, rules, at=2)
    rows = await tx.raw.fetch(
        f"select r.id from {rules.partition} r where r.type = '{type_}' and r.id = any($1::text[])"  # noqa: S608 - declared names
        f" and not r.deleted and {seen}",
        *(list(ids), *arguments),
    )
    return {row["id"] for row in rows}


def _warning(place: str) -> dict[str, Any]:
    details = {"text": NOT_FOUND}
    return {"severity": "warning", "code": "not-found", "details": details, "expression": [place]}
