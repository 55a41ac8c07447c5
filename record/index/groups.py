"""What composite parameters find: values told together with the token of their group, such as a component's code.

https://hl7.org/fhir/R4/search.html#composite
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from record.failures import TooManyPairs
from record.index import keys
from record.index.parameters import Component, Parameter, parameters
from record.index.paths import Path, Step
from record.index.rows import ALONE, SIDES, AddsTold, Rows, Told

MOST_PAIRS = 20_000
"""Of one resource: two elements of some thousand codes each would make millions."""


@dataclass(slots=True)
class Group:
    """The element a composite's parts stand in together."""

    steps: tuple[Step, ...]
    tokens: tuple[Path, ...]
    names: set[str] = field(default_factory=set)
    """The elements that lead to a value beside the token."""
    sides: dict[int, tuple[Path, AddsTold]] = field(default_factory=dict)
    """By place, the values told with the token in side tables."""
    pairs: list[tuple[str, Path]] = field(default_factory=list)
    """The values that make an exact key together with the token, behind the key's beginning."""
    numbers: dict[str, set[int]] = field(default_factory=dict)
    """By element, the composites that have a value when it is there."""

    def take(self, parameter: Parameter, value: Component, paths: tuple[Path, ...]) -> None:
        """One more composite on this group."""
        for path in paths:
            name = path.steps[0].name
            self.names.add(name)
            self.numbers.setdefault(name, set()).add(parameter.number)
            if value.kind in SIDES:
                self.sides[path.place] = (path, SIDES[value.kind](path.type, path.place))
            else:
                self.pairs.append((f"{parameter.type}.{parameter.code}=", path))

    def add(self, node: Any, found: Rows) -> None:
        """The rows of one group element. Raises TooManyPairs."""
        if self.names.isdisjoint(node):
            return
        tokens = [(value, path.type) for path in self.tokens for value in path.values(node)]
        for path, add in self.sides.values():
            if path.steps[0].name in node:
                told = _told(tokens)
                for value in path.values(node):
                    add(value, found, told)
        if tokens:
            for name in self.names.intersection(node):
                found.present.update(self.numbers[name])
            for pairs in self._paired(tokens, node):
                found.pairs += len(pairs)
                if found.pairs > MOST_PAIRS:
                    raise TooManyPairs
                found.keys.update(pairs)

    def _paired(self, tokens: list[tuple[Any, str]], node: Any) -> Iterator[list[int]]:
        for prefix, path in self.pairs:
            if path.steps[0].name in node:
                first = [form for value, type_ in tokens for form in _outright(value, type_)]
                for second in (form for value in path.values(node) for form in _outright(value, path.type)):
                    yield [keys.key(f"{prefix}{form}${second}") for form in first]


def _told(tokens: list[tuple[Any, str]]) -> Told:
    codings = [coding for value, type_ in tokens for coding in keys.codings(value, type_)]
    told = [(keys.key(code), keys.key(system) if system else None) for system, code in codings if code]
    return told or ALONE


def _outright(value: Any, type_: str) -> list[str]:
    if type_ == "Reference":
        return keys.main_forms(keys.reference_forms(value))
    return keys.main_forms(keys.token_forms(value, type_))


@cache
def groups(type_: str) -> tuple[Group, ...]:
    """The groups of a type's composite parameters."""
    found: dict[str, Group] = {}
    for parameter in parameters(type_).values():
        for path in parameter.paths if parameter.components else ():
            token, value = parameter.components
            tokens, values = (tuple(p for p in part.paths if p.root == path.spelling) for part in (token, value))
            group = found.setdefault(path.spelling, Group(path.steps, tokens))
            group.take(parameter, value, values)
    return tuple(found.values())
