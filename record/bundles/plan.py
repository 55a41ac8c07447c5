"""What a transaction is going to do, entry by entry, before anything is done.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from record.bundles.entries import READS, Entry, at_entry
from record.failures import EntriesCollide, EntryUnreadable
from record.interactions.conditional import Criteria, checked, criteria

MOST_PARAMETERS = 100


@dataclass(slots=True)
class Plan:
    """One entry: the resource it is about, by id or by criteria."""

    entry: Entry
    type: str
    id: str | None
    criteria: Criteria | None
    """What the resource is looked for by: the address's criteria, or a create's If-None-Exist."""

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


def planned(entries: Iterable[Entry]) -> list[Plan]:
    """The changes and reads of a transaction, in their order. Raises EntryUnreadable, EntriesCollide."""
    plans = []
    for entry in entries:
        with at_entry(entry.n):
            plans.append(_reading(entry) if entry.method in READS else _changing(entry))
    _once(plans)
    _linked_once(plans)
    return plans


def parameters(query: str) -> tuple[tuple[str, str], ...]:
    """An address's parameters. Raises EntryUnreadable."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise EntryUnreadable("The parameters of the url cannot be read.") from None
    return tuple(pairs)


def _reading(entry: Entry) -> Plan:
    return Plan(entry, entry.type, None, None)


def _changing(entry: Entry) -> Plan:
    type_, slash, id_ = entry.path.partition("/")
    if "/" in id_ or (slash and not id_):
        raise EntryUnreadable("A change names a resource by Type/id or by criteria.")
    if entry.method == "POST":
        if id_ or entry.query:
            raise EntryUnreadable("A resource is created at its type's address. Conditions go into ifNoneExist.")
        return Plan(entry, type_, None, criteria(entry.if_none_exist) if entry.if_none_exist is not None else None)
    if id_:
        return Plan(entry, type_, id_, None)
    return Plan(entry, type_, None, checked(parameters(entry.query)))


def _once(plans: Sequence[Plan]) -> None:
    """No resource is named twice, by id or by the same criteria. Raises EntriesCollide."""
    seen: dict[object, Plan] = {}
    for plan in plans:
        if plan.criteria is not None or plan.id is not None:
            name = plan.reference if plan.id else (plan.type, *sorted(plan.criteria or ()))
            collide(seen.setdefault(name, plan), plan)


def collide(one: Plan, other: Plan) -> None:
    """Nothing when both are the same entry. Raises EntriesCollide."""
    if one is not other:
        also = EntriesCollide(expression=other.entry.place)
        raise EntriesCollide(expression=one.entry.place, others=(also,))


def _linked_once(plans: Sequence[Plan]) -> None:
    seen: dict[str, Plan] = {}
    for plan in plans:
        full_url = plan.entry.full_url
        if full_url is not None and seen.setdefault(full_url, plan) is not plan:
            raise EntryUnreadable("Another entry has the same fullUrl.", expression=f"{plan.entry.place}.fullUrl")
