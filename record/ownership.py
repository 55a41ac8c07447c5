"""Which room owns a resource type, and who may read or write it: `proto/resources.toml`, read once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kernel.auth.principal import Role


@dataclass(frozen=True, slots=True)
class TypeRules:
    """One resource type's rules; the file itself says what each means."""

    type: str
    owner: str
    shared: bool
    behaviour: bool
    imported: bool
    append_only: bool
    compartment: bool
    open_without_patient: bool
    finished: frozenset[str]
    readers: frozenset[Role]
    writers: frozenset[Role]

    @property
    def partition(self) -> str:
        """Name of the table that holds this type, schema included."""
        return f"record.{self.type.lower()}"


@cache
def types() -> Mapping[str, TypeRules]:
    """Every resource type the hospital keeps, by name."""
    text = files("proto").joinpath("resources.toml").read_text()
    return {type_: _rules(type_, entry) for type_, entry in tomllib.loads(text).items()}


def _rules(type_: str, entry: Mapping[str, object]) -> TypeRules:
    return TypeRules(
        type=type_,
        owner=str(entry["owner"]),
        shared=bool(entry.get("shared", False)),
        behaviour=bool(entry.get("behaviour", not entry.get("shared", False))),
        imported=bool(entry.get("imported", True)),
        append_only=bool(entry.get("append_only", False)),
        compartment=bool(entry.get("compartment", False)),
        open_without_patient=entry.get("compartment") == "optional",
        finished=frozenset(entry.get("finished", ())),  # type: ignore[call-overload]
        readers=frozenset(Role(role) for role in entry["readers"]),  # type: ignore[attr-defined]
        writers=frozenset(Role(role) for role in entry["writers"]),  # type: ignore[attr-defined]
    )


def owned_by(room: str) -> tuple[TypeRules, ...]:
    """The types whose routes this room serves."""
    return tuple(rules for rules in types().values() if rules.owner == room)


def home() -> str:
    """The room that keeps who the patients are: what is no other room's alone is done there."""
    return types()["Patient"].owner


def rooms() -> tuple[str, ...]:
    """Every room that owns a type, in the file's order."""
    return tuple(dict.fromkeys(rules.owner for rules in types().values()))


KEPT_APART = frozenset({"AuditEvent"})
"""Types that have a table of their own instead of a partition of the record."""


def partitioned() -> tuple[TypeRules, ...]:
    """The types that are partitions of `record.resource`."""
    return tuple(rules for rules in types().values() if rules.type not in KEPT_APART)
