"""HL7's element table as a walk needs it: what must be there, which choices exclude each other, what is worth a look.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from record import definitions
from record.definitions import Element

INTEGERS: Mapping[str, int] = {"integer": -(2**31), "unsignedInt": 0, "positiveInt": 1}
"""Least value of each kind of integer; all end below 2**31."""
DATES = frozenset({"date", "dateTime", "instant"})


@dataclass(frozen=True, slots=True)
class Part:
    """One element: its kind, what it may point at, and the codes a required binding allows."""

    kind: str
    plain: bool
    """A primitive of which the JSON schema has said everything."""
    targets: frozenset[str]
    codes: Mapping[str, Mapping[str, None]]
    """System -> codes, in HL7's order."""
    simple: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of node."""

    parts: Mapping[str, Part]
    needed: tuple[str, ...]
    choices: Mapping[str, str]
    """Element -> the choice it is one kind of, in HL7's order."""
    needed_choices: frozenset[str]


@cache
def shape_of(kind: str) -> Shape:
    """The shape of a type or backbone element; an unknown kind has no parts."""
    table = definitions.elements().get(kind, {})
    return Shape(
        parts={name: _part(element) for name, element in table.items()},
        needed=tuple(name for name, e in table.items() if e.get("least") and "choice" not in e),
        choices={name: e["choice"] for name, e in table.items() if "choice" in e},
        needed_choices=frozenset(e["choice"] for e in table.values() if e.get("least") and "choice" in e),
    )


def _part(element: Element) -> Part:
    kind = element["type"]
    targets = frozenset(element.get("targets", ()))
    # A profile's address may hold any word: those who name their profiles need not name them as a server would.
    if kind == "canonical" and "StructureDefinition" in targets:
        targets = frozenset()
    codes = {system: dict.fromkeys(listed) for system, listed in element.get("codes", {}).items()}
    return Part(kind, not (_looked_at(kind) or targets or codes), targets, codes, "simple" in element)


def _looked_at(kind: str) -> bool:
    return kind in INTEGERS or kind in DATES or kind in {"Resource", "base64Binary"} or kind in definitions.elements()
