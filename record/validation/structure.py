"""What HL7's JSON schema leaves open: required primitives, choices, codes, reference targets, real dates, invariants.

One walk over the resource beside HL7's element table. https://hl7.org/fhir/R4/conformance-rules.html
"""

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from kernel.failures import Failure
from record import definitions
from record.failures import CodeInvalid, InvariantBroken, ResourceInvalid
from record.index import dates
from record.index.keys import RELATIVE, reference_type
from record.validation.invariant import Invariant, Node, Whole
from record.validation.invariants import invariants_below, invariants_of
from record.validation.shape import DATES, INTEGERS, Part, Shape, shape_of

BY_SEARCH = re.compile(r"[A-Z][A-Za-z]+\?")
SHOWN_CODES = 30
MOST_FOUND = 100
EXTENDED = Part("Extension", False, frozenset(), {}, False)

Contained = Callable[[dict[str, Any], str], Iterator[Failure]]


class Enough(Exception):
    """So much is broken that looking further helps nobody."""


def broken(resource: dict[str, Any], *, contained: Contained) -> list[Failure]:
    """Everything broken in a resource that fits the schema. `contained` checks an inner resource's own schema."""
    walk = _Walk(resource, contained)
    with suppress(Enough):
        walk.node(resource, resource["resourceType"], resource["resourceType"])
    return walk.found


class _Walk:
    """One walk; it knows the resource around, to which `#` references belong."""

    def __init__(self, root: dict[str, Any], contained: Contained) -> None:
        self.found: list[Failure] = []
        self._misshapen = 0
        self._whole = Whole(root)
        self._contained = contained

    def node(self, node: dict[str, Any], kind: str, place: str) -> None:
        """A complex element or a resource of this kind: its parts first, since invariants trust their shape."""
        before, shape = self._misshapen, shape_of(kind)
        if shape.needed:
            self._say(_missing(node, shape, place))
        if shape.choices:
            self._say(_chosen(node, shape, place))
        for name, value in node.items():
            if name[0] == "_":
                self._beside(node, name[1:], value, place)
                continue
            if type(value) is list and None in value:
                self._say(_steps(value, node.get(f"_{name}", ()), f"{place}.{name}"))
            part = shape.parts.get(name)
            if part is not None and not part.plain:
                self._part(value, part, f"{place}.{name}")
        if self._misshapen == before:
            self._judge(node, kind, place)

    def _judge(self, node: dict[str, Any], kind: str, place: str) -> None:
        if len(node) == 1 and "id" in node:
            self._say([_hollow(place)])
        for invariant in invariants_of(kind):
            if not invariant.holds(node, self._whole):
                self._say([_breach(invariant, place)])
        for name, invariant in invariants_below(kind).items():
            for part, at in _parts(node.get(name, ()), f"{place}.{name}"):
                if not invariant.holds(part, self._whole):
                    self._say([_breach(invariant, at)])

    def _beside(self, node: dict[str, Any], name: str, beside: Any, place: str) -> None:
        """What stands beside a primitive, or beside each of several: an id and extensions."""
        values = node.get(name)
        for i, (item, at) in enumerate(_parts(beside, f"{place}.{name}")):
            if item is None:
                continue
            value = values[i] if isinstance(values, list) and i < len(values) else values
            if "extension" not in item and (value is None or isinstance(value, list)):
                self._say([_hollow(at)])
            for extension, where in _parts(item.get("extension", ()), f"{at}.extension"):
                self._value(extension, EXTENDED, where)

    def _part(self, value: Any, part: Part, place: str) -> None:
        if type(value) is not list:
            self._value(value, part, place)
            return
        for i, item in enumerate(value):
            if item is not None:
                self._value(item, part, f"{place}[{i}]")

    def _value(self, value: Any, part: Part, place: str) -> None:
        if part.kind == "Resource":
            self._inner(value, place)
        elif type(value) is dict:
            if part.targets or part.codes or part.simple or part.kind == "Reference":
                self._say(_bound(value, part, self._whole, place))
            self.node(value, part.kind, place)
        else:
            self._say(_primitive(value, part, self._whole, place))

    def _inner(self, resource: dict[str, Any], place: str) -> None:
        before, outer = self._misshapen, self._whole
        self._say(self._contained(resource, place))
        if self._misshapen == before:
            if not place.rpartition(".")[2].startswith("contained"):
                # What stands in a Bundle or in Parameters is a whole of its own.
                self._whole = Whole(resource)
            self.node(resource, resource["resourceType"], place)
        self._whole = outer

    def _say(self, faults: Iterable[Failure]) -> None:
        for fault in faults:
            self.found.append(fault)
            self._misshapen += not isinstance(fault, InvariantBroken)
            if len(self.found) >= MOST_FOUND:
                raise Enough


def _missing(node: Node, shape: Shape, place: str) -> Iterator[Failure]:
    for name in shape.needed:
        if name not in node and f"_{name}" not in node:
            yield ResourceInvalid(f"'{name}' is missing.", expression=place)


def _chosen(node: Node, shape: Shape, place: str) -> Iterator[Failure]:
    """Of a choice one kind at most, and one at least where HL7 says so."""
    taken: dict[str, set[str]] = {}
    for spelt in node:
        name = spelt.removeprefix("_")
        if choice := shape.choices.get(name):
            taken.setdefault(choice, set()).add(name)
    for choice, names in taken.items():
        for name in sorted(names, key=list(shape.choices).index)[1:] if len(names) > 1 else ():
            yield ResourceInvalid(f"Only one kind of '{choice}' may be given.", expression=f"{place}.{name}")
    for choice in shape.needed_choices - taken.keys():
        yield ResourceInvalid(f"'{choice}' is missing.", expression=place)


def _steps(values: list[Any], beside: Any, place: str) -> Iterator[Failure]:
    """Where an array holds null, the array beside it says why."""
    for i, value in enumerate(values):
        if value is None and (i >= len(beside) or beside[i] is None):
            yield ResourceInvalid("null stands only where an extension says why.", expression=f"{place}[{i}]")


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


def _bound(value: dict[str, Any], part: Part, whole: Whole, place: str) -> Iterator[Failure]:
    """Codes of a required binding, what a reference may point at, and a quantity that may not be a mere bound."""
    if part.kind == "Reference":
        yield from _reference(value.get("reference", "#"), place)
    if part.targets:
        yield from _pointing(whole.type_behind(value.get("reference")) or reference_type(value), part, place)
    if part.simple and part.kind == "Quantity" and "comparator" in value:
        yield InvariantBroken("sqty-1: this quantity takes no comparator.", expression=place)
    if part.codes and "extension" not in value:
        codings = value.get("coding", ()) if part.kind == "CodeableConcept" else (value,)
        if not any(coding.get("code") in part.codes.get(coding.get("system", ""), ()) for coding in codings):
            yield _code_invalid(part, place)


def _reference(text: str, place: str) -> Iterator[Failure]:
    """What is neither address nor Type/id would point nowhere for ever, and its resource lie in nobody's record."""
    if BY_SEARCH.match(text):
        yield ResourceInvalid("A reference by a search is resolved in a transaction alone.", expression=place)
    elif not (text.startswith("#") or ":" in text or RELATIVE.fullmatch(text)):
        yield ResourceInvalid("Write a reference as Patient/123, or as a whole address.", expression=place)


def _pointing(type_: str | None, part: Part, place: str) -> Iterator[Failure]:
    if type_ is not None and type_ not in part.targets and type_ in definitions.elements():
        yield ResourceInvalid(f"This must point at {', '.join(sorted(part.targets))}.", expression=place)


def _primitive(value: Any, part: Part, whole: Whole, place: str) -> Iterator[Failure]:
    if part.kind in INTEGERS:
        if not isinstance(value, int) or not INTEGERS[part.kind] <= value < 2**31:
            yield ResourceInvalid(f"This is no well-formed {part.kind}.", expression=place)
    elif part.kind in DATES:
        try:
            dates.read(value)
        except ValueError:
            yield ResourceInvalid("There is no such day or time.", expression=place)
    elif part.kind == "canonical":
        yield from _pointing(whole.type_behind(value) or reference_type(value.partition("|")[0]), part, place)
    elif part.kind == "base64Binary":
        if not _is_base64(value):
            yield ResourceInvalid("This is no well-formed base64Binary.", expression=place)
    elif part.codes and not any(value in allowed for allowed in part.codes.values()):
        yield _code_invalid(part, place)


def _is_base64(value: str) -> bool:
    letters = "".join(value.split())
    try:
        binascii.a2b_base64(letters, strict_mode=True)
    except ValueError:
        return False
    return len(letters) % 4 == 0


def _code_invalid(part: Part, place: str) -> Failure:
    allowed = [code for listed in part.codes.values() for code in listed][:SHOWN_CODES]
    return CodeInvalid(f"Allowed: {', '.join(allowed)}.", expression=place)
