"""What composite parameters find: values told together with the token of their group, such as a component's code.

https://hl7.org/fhir/R4/search.html#composite
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from record import keys
from record.parameters import Component, Parameter, parameters
from record.paths import Path, Step
from record.rows import ALONE, SIDES, AddsTold, Rows, Told


@dataclass(slots=True)
class Group:
    """The element a composite's parts stand in together."""

    steps: tuple[Step, ...]
    tokens: tuple[Path, ...]
    sides: dict[int, tuple[Path, AddsTold]] = field(default_factory=dict)
    """By place, the values told with the token in side tables."""
    pairs: list[tuple[str, Path]] = field(default_factory=list)
    """The values that make an exact key together with the token, behind the key's beginning."""
    wanted: list[tuple[int, tuple[Path, ...]]] = field(default_factory=list)
    """By composite's number, the values of which one must be there."""

    @property
    def places(self) -> Iterable[int]:
        return self.sides.keys()

    def take(self, parameter: Parameter, value: Component, paths: tuple[Path, ...]) -> None:
        """One more composite on this group."""
        for path in paths:
            if value.kind in SIDES:
                self.sides[path.place] = (path, SIDES[value.kind](path.type, path.place))
            else:
                self.pairs.append((f"{parameter.type}.{parameter.code}=", path))
        self.wanted.append((parameter.number, paths))

    def add(self, node: Any, found: Rows) -> None:
        """The rows of one group element."""
        paths = [path for _, whole in self.wanted for path in whole if path.steps[0].name in node]
        if not paths:
            return
        tokens = [(value, path.type) for path in self.tokens for value in path.values(node)]
        told = _told(tokens)
        for path, add in self.sides.values():
            for value in path.values(node):
                add(value, found, told)
        if tokens:
            found.present.update(number for number, whole in self.wanted if any(path in paths for path in whole))
            found.keys.update(self._paired(tokens, node))

    def _paired(self, tokens: list[tuple[Any, str]], node: Any) -> Iterator[int]:
        first = [form for value, type_ in tokens for form in _outright(value, type_)]
        for prefix, path in self.pairs:
            for value in path.values(node):
                for second in _outright(value, path.type):
                    yield from (keys.key(f"{prefix}{form}${second}") for form in first)


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
