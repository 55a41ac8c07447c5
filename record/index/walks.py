"""A type's search parameters compiled, once, into one walk over its resources that goes into each element once.

Each element met on the walk carries what it adds to the index rows. An element that a composite parameter looks at
(a group, such as an Observation's component) tells the values beside its token together with that token.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from record.index import rows
from record.index.groups import groups
from record.index.hints import Search
from record.index.parameters import SEARCHES, Kind, Parameter, parameters
from record.index.paths import Path, Step
from record.index.rows import SIDES, Adds, Rows, Use, Uses


@dataclass(slots=True)
class Node:
    """An element of the type: what it adds, and the elements inside it that lead to more."""

    adds: list[Adds] = field(default_factory=list)
    children: dict[str, "Node"] = field(default_factory=dict)
    narrowed: dict[tuple[str, str], "Node"] = field(default_factory=dict)
    """The same element again, for those where a part of it has this value."""

    def visit(self, value: Any, found: Rows) -> None:
        """Gather the rows of this element and of all inside it."""
        for add in self.adds:
            add(value, found)
        for (name, text), node in self.narrowed.items():
            if value.get(name) == text:
                node.visit(value, found)
        if self.children:
            child = self.children.get
            for name, inside in value.items():
                if led := child(name):
                    for item in inside if isinstance(inside, list) else (inside,):
                        if item is not None:
                            led.visit(item, found)

    def at(self, steps: Iterable[Step]) -> "Node":
        """The node at the end of these steps, made where it is missing. Where a reference points is not a step."""
        node = self
        for step in steps:
            node = node.children.setdefault(step.name, Node())
            if step.where:
                node = node.narrowed.setdefault(step.where, Node())
        return node


@cache
def compiled_walks(type_: str) -> Node:
    """The walk over a resource of this type."""
    root = Node()
    told_places = {place for group in groups(type_) for place in group.sides}
    for (steps, kind, ends), uses in _by_element(type_).items():
        node = root.at(steps)
        node.adds += _adds(SEARCHES[type_], kind, ends, uses, told_places)
    for parameter in parameters(type_).values():
        for path in parameter.paths:
            if path.is_so:
                root.adds.append(_whether(path, rows.token("boolean", Uses((_use(parameter, path),)))))
    for group in groups(type_):
        root.at(group.steps).adds.append(group.add)
    return root


@cache
def side_tables(type_: str) -> frozenset[str]:
    """The side tables a resource of this type may have rows in."""
    tables = {Kind.STRING: "word", Kind.DATE: "moment", Kind.NUMBER: "number", Kind.QUANTITY: "number"}
    search = SEARCHES[type_]
    kinds = {p.kind for p in parameters(type_).values() if p.code != search.date}
    kinds |= {part.kind for p in parameters(type_).values() for part in p.components}
    anchored = {"timeline"} if search.anchors else set()
    worded = {"word"} if search.text else set()
    return frozenset({tables[kind] for kind in kinds if kind in tables} | anchored | worded)


def _by_element(type_: str) -> Mapping[tuple[tuple[Step, ...], Kind, str], list[tuple[Parameter, Path]]]:
    """Parameters by the element they find, wherever a reference there may point."""
    found: dict[tuple[tuple[Step, ...], Kind, str], list[tuple[Parameter, Path]]] = defaultdict(list)
    for parameter in parameters(type_).values():
        for path in parameter.paths:
            if parameter.kind is not Kind.COMPOSITE and not path.is_so:
                steps = tuple(Step(step.name, where=step.where) for step in path.steps)
                found[steps, parameter.kind, path.type].append((parameter, path))
    return found


def _adds(
    search: Search, kind: Kind, ends: str, uses: list[tuple[Parameter, Path]], told_places: set[int]
) -> Iterator[Adds]:
    """What one element adds for all parameters of a kind that find it."""
    exact = Uses(tuple(_use(parameter, path) for parameter, path in uses))
    place = uses[0][1].place
    match kind:
        case Kind.TOKEN:
            yield rows.token(ends, exact)
            if any(parameter.text for parameter, _ in uses):
                yield rows.alone(rows.word(ends, place))
        case Kind.REFERENCE:
            yield rows.reference(exact)
        case Kind.URI:
            yield rows.address(ends, exact)
        case _:
            yield rows.present(exact.numbers)
            dated = [parameter.code == search.date for parameter, _ in uses]
            if any(dated):
                yield rows.main_date(ends)
            if not all(dated) and place not in told_places:
                yield rows.alone(SIDES[kind](ends, place))


def _use(parameter: Parameter, path: Path) -> Use:
    anchored = any(parameter.code in anchor for anchor in SEARCHES[parameter.type].anchors)
    return Use(
        f"{parameter.type}.{parameter.code}=",
        parameter.number,
        path.steps[-1].is_a if path.steps else None,
        parameter.code if anchored else None,
    )


def _whether(path: Path, add: Adds) -> Adds:
    def adds(value: Any, found: Rows) -> None:
        for so in path.values(value):
            add(so, found)

    return adds
