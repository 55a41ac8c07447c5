"""Which room carries out a transaction: the owner of what has behaviour in it, or, for finished history, the import.

docs/adr/0008-bundles-have-one-owner.md
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kernel.auth.principal import Role
from record.bundles.entries import READS, Entry, at_entry
from record.failures import EntryNotOffered, SeveralOwners
from record.ownership import KEPT_APART, home, types

MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Run:
    """The room that runs a transaction, and the entries it only writes down: another room's finished history."""

    room: str
    imported: frozenset[int] = frozenset()


def run_of(entries: Sequence[Entry], role: Role) -> Run:
    """Who runs a transaction of these entries. Raises EntryNotOffered, SeveralOwners."""
    bound = {entry.n: owner for entry in entries if (owner := _owner(entry))}
    owners = set(bound.values())
    if role is Role.SYSTEM and _is_import(entries, owners):
        return Run(home(), frozenset(n for n, owner in bound.items() if owner != home()))
    if len(owners) > 1:
        raise _named(bound)
    return Run(owners.pop() if owners else home())


def _owner(entry: Entry) -> str | None:
    """The one room that may carry out an entry, or None when any may."""
    with at_entry(entry.n):
        rules = types().get(entry.type)
        if rules is None or "$" in entry.path:
            raise EntryNotOffered("A transaction holds reads, searches and changes of the types kept here.")
        binds = entry.type in KEPT_APART if entry.method in READS else rules.behaviour
        return rules.owner if binds else None


def _is_import(entries: Sequence[Entry], owners: set[str]) -> bool:
    """Whether everything that has behaviour is history; of one owner's types, only if some of it has an end at all."""
    changes = [entry for entry in entries if entry.method not in READS and types()[entry.type].behaviour]
    ends = any(types()[entry.type].finished for entry in changes)
    return (ends or len(owners) > 1) and all(is_history(entry) for entry in changes)


def is_history(entry: Entry) -> bool:
    """Whether an entry may come in without starting anything: plain knowledge, or what is over and done."""
    rules = types()[entry.type]
    if not rules.finished:
        return rules.imported
    return entry.method in {"POST", "PUT"} and entry.gist.status in rules.finished


def _named(bound: dict[int, str]) -> SeveralOwners:
    """The refusal, naming the entries and their rooms."""
    first, *others = (
        SeveralOwners(f"This one is of the room '{owner}'.", expression=f"Bundle.entry[{n}]")
        for n, owner in list(bound.items())[:MOST_NAMED]
    )
    first.others = tuple(others)
    return first
