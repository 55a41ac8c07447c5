"""What HL7's JSON schema leaves open: required primitives, choices, codes, reference targets, real dates, invariants.

One walk over the resource beside HL7's element table. https://hl7.org/fhir/R4/conformance-rules.html
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from kernel.failures import Failure
from record import dates, definitions
from record.definitions import Element
from record.failures import CodeInvalid, InvariantBroken, ResourceInvalid
from record.invariant import Invariant, Whole
from record.invariants import invariants_below, invariants_of
from record.keys import reference_type

INTEGERS = {"integer": -(2**31), "unsignedInt": 0, "positiveInt": 1}
DATES = frozenset({"date", "dateTime", "instant"})
SHOWN_CODES = 30
MOST_FOUND = 100

Contained = Callable[[dict[str, Any], str], Iterator[Failure]]


def broken(resource: dict[str, Any], *, contained: Contained) -> list[Failure]:
    """Everything broken in a resource that fits the schema. `contained` checks an inner resource's own schema."""
    walk = _Walk(resource, contained).node(resource, resource["resourceType"], resource["resourceType"])
    return list(islice(walk, MOST_FOUND))


class _Walk:
    """One walk; it knows the outermost resource, to which `#` references belong."""

    def __init__(self, root: dict[str, Any], contained: Contained) -> None:
        self._whole = Whole(root)
        self._contained = contained

    def node(self, node: dict[str, Any], kind: str, place: str) -> Iterator[Failure]:
        """A complex element or a resource of this kind: its parts first, since invariants trust their shape."""
        table = definitions.elements().get(kind, {})
        below = [*_cardinality(node, table, place), *self._members(node, table, place)]
        yield from below
        if any(not isinstance(fault, InvariantBroken) for fault in below):
            return
        if len(node) == 1 and "id" in node:
            yield _hollow(place)
        for invariant in invariants_of(kind):
            if not invariant.holds(node, self._whole):
                yield _breach(invariant, place)
        for name, invariant in invariants_below(kind).items():
            for part, at in _parts(node.get(name, ()), f"{place}.{name}"):
                if not invariant.holds(part, self._whole):
                    yield _breach(invariant, at)

    def _members(self, node: dict[str, Any], table: Mapping[str, Element], place: str) -> Iterator[Failure]:
        for name, value in node.items():
            if name.startswith("_") and name[1:] not in node and isinstance(value, dict) and set(value) == {"id"}:
                yield _hollow(f"{place}.{name[1:]}")
            yield from self._member(name, value, table, place)

    def _member(self, name: str, value: Any, table: Mapping[str, Element], place: str) -> Iterator[Failure]:
        beside = name.startswith("_")
        element = table.get(name.removeprefix("_"))
        if element is None:
            return
        kind = "Element" if beside else element["type"]
        if not isinstance(value, list):
            yield from self._value(value, kind, element, f"{place}.{name}")
            return
        for i, item in enumerate(value):
            if item is not None:
                yield from self._value(item, kind, element, f"{place}.{name}[{i}]")

    def _value(self, value: Any, kind: str, element: Element, place: str) -> Iterator[Failure]:
        if kind == "Resource":
            yield from self._inner(value, place)
        elif kind == "Element":
            yield from self._member("extension", value.get("extension", []), EXTENDED, place)
        elif isinstance(value, dict):
            yield from _bound(value, kind, element, place)
            yield from self.node(value, kind, place)
        else:
            yield from _primitive(value, kind, element, place)

    def _inner(self, resource: dict[str, Any], place: str) -> Iterator[Failure]:
        faults = list(self._contained(resource, place))
        yield from faults or self.node(resource, resource["resourceType"], place)


EXTENDED: Mapping[str, Element] = {"extension": {"type": "Extension", "many": True}}


def _cardinality(node: dict[str, Any], table: Mapping[str, Element], place: str) -> Iterator[Failure]:
    """Required elements are there, and of a choice one at most."""
    choices: dict[str, list[str]] = {}
    for name, element in table.items():
        there = name in node or f"_{name}" in node
        if choice := element.get("choice"):
            taken = choices.setdefault(choice, [])
            if there:
                taken.append(name)
            if len(taken) > 1 and there:
                yield ResourceInvalid(f"Only one kind of '{choice}' may be given.", expression=f"{place}.{name}")
        elif element.get("least") and not there:
            yield ResourceInvalid(f"'{name}' is missing.", expression=place)
    for choice, taken in choices.items():
        if not taken and any(e.get("choice") == choice and e.get("least") for e in table.values()):
            yield ResourceInvalid(f"'{choice}' is missing.", expression=place)


def _parts(value: Any, place: str) -> Iterator[tuple[Any, str]]:
    """An element's one value, or each of its values, with its place."""
    if isinstance(value, list | tuple):
        yield from ((item, f"{place}[{i}]") for i, item in enumerate(value))
    else:
        yield value, place


def _breach(invariant: Invariant, place: str) -> Failure:
    return InvariantBroken(f"{invariant.key}: {invariant.says}", expression=place)


def _hollow(place: str) -> Failure:
    return InvariantBroken("ele-1: an element must have a value or children.", expression=place)


def _bound(value: dict[str, Any], kind: str, element: Element, place: str) -> Iterator[Failure]:
    """Codes of a required binding, and what a reference may point at."""
    if targets := element.get("targets"):
        type_ = reference_type(value)
        if type_ in definitions.elements() and type_ not in targets:
            yield ResourceInvalid(f"This must point at {', '.join(targets)}.", expression=place)
    if element.get("simple") and kind == "Quantity" and "comparator" in value:
        yield InvariantBroken("sqty-1: this quantity takes no comparator.", expression=place)
    if (codes := element.get("codes")) and "extension" not in value:
        codings = value.get("coding", []) if kind == "CodeableConcept" else [value]
        if not any(coding.get("code") in codes.get(coding.get("system", ""), ()) for coding in codings):
            yield _code_invalid(codes, place)


def _primitive(value: Any, kind: str, element: Element, place: str) -> Iterator[Failure]:
    if kind in INTEGERS:
        if not isinstance(value, int) or not INTEGERS[kind] <= value < 2**31:
            yield ResourceInvalid(f"This is no well-formed {kind}.", expression=place)
    elif kind in DATES:
        try:
            dates.read(value)
        except ValueError:
            yield ResourceInvalid("There is no such day or time.", expression=place)
    elif (codes := element.get("codes")) and not any(value in allowed for allowed in codes.values()):
        yield _code_invalid(codes, place)


def _code_invalid(codes: Mapping[str, list[str]], place: str) -> Failure:
    allowed = [code for listed in codes.values() for code in listed][:SHOWN_CODES]
    return CodeInvalid(f"Allowed: {', '.join(allowed)}.", expression=place)
