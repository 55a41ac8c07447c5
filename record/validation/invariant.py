"""What an invariant is, and the few questions invariants ask of a node."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from record.index import dates

Node = Mapping[str, Any]


class Whole:
    """The outermost resource: what `#` references may mean."""

    def __init__(self, root: Node) -> None:
        self.root = root

    @cached_property
    def contained(self) -> Mapping[str, str]:
        """Id of each contained resource -> its type."""
        return {str(inner.get("id")): str(inner.get("resourceType")) for inner in self.root.get("contained", ())}

    def type_behind(self, reference: Any) -> str | None:
        """The type a `#` reference points at; None for every other."""
        if not isinstance(reference, str) or reference[:1] != "#":
            return None
        return self.contained.get(reference[1:]) if len(reference) > 1 else self.root["resourceType"]

    @cached_property
    def named(self) -> frozenset[str]:
        """Every text in the resource that may name a contained one."""
        return frozenset(text for text in texts(self.root) if text.startswith("#"))


def texts(node: Any) -> Iterator[str]:
    """Every text in a node, at any depth."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from texts(inner)


@dataclass(frozen=True, slots=True)
class Invariant:
    """HL7's key, what it says, and whether it holds for a node."""

    key: str
    says: str
    holds: Callable[[Node, Whole], bool]


def has(node: Node, *names: str) -> bool:
    """Whether one of the elements is there, with a value or an extension in its place."""
    return any(name in node or f"_{name}" in node for name in names)


def both(node: Node, one: str, other: str) -> bool:
    """Whether two elements that exclude each other are there."""
    return has(node, one) and has(node, other)


def choice(node: Node, name: str) -> bool:
    """Whether some kind of a choice such as `value[x]` is there."""
    return any(key.lstrip("_").startswith(name) and key.lstrip("_")[len(name) :][:1].isupper() for key in node)


def coded(concept: Node | None, system: str, *codes: str) -> bool:
    """Whether a concept has one of these codes of this system."""
    codings = (concept or {}).get("coding", ())
    return any(coding.get("system") == system and coding.get("code") in codes for coding in codings)


def in_order(first: str | None, second: str | None) -> bool:
    """Whether a date is not after another; undecided precisions count as in order."""
    if not (first and second):
        return True
    try:
        return dates.read(first).lo < dates.read(second).hi
    except ValueError:
        return True


def at_most(low: Node | None, high: Node | None) -> bool:
    """Whether a quantity is not above another of the same unit."""
    if not low or not high or low.get("code", low.get("unit")) != high.get("code", high.get("unit")):
        return True
    return "value" not in low or "value" not in high or bool(low["value"] <= high["value"])
