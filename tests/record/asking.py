"""Random searches made of values that occur, and of near misses."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from record.index.parameters import Parameter, parameters
from tests.record.by_force import Defined, Force, defined
from tests.record.spelling import Speller

Pair = tuple[str, str]
DEEPEST = 3
FEW_TARGETS = 4
MODIFIERS = {
    "token": ("", "", "", "not", "of-type", "text"),
    "string": ("", "", "exact", "contains"),
    "reference": ("", "", "", "identifier", "type"),
}


@dataclass
class Asker:
    """Draws searches."""

    force: Force
    chance: random.Random
    along: float = 0.35
    """The share of criteria that go along references or back."""

    @cached_property
    def speller(self) -> Speller:
        return Speller(self.chance)

    def search(self) -> tuple[str, list[Pair]]:
        """A type and what is asked of it: criteria, and sometimes an order."""
        types = sorted(self.force.resources)
        weights = [len(self.force.resources[type_]) ** 0.7 for type_ in types]
        (type_,) = self.chance.choices(types, weights)
        id_ = self._one_of(type_)
        many = self.chance.choice((0, 1, 1, 1, 1, 2, 2, 3))
        asked = [pair for _ in range(many) for pair in self._criterion(type_, id_)]
        return type_, [*asked, ("_sort", self._order(type_))] if self.chance.random() < 0.4 else asked

    def _one_of(self, type_: str) -> str:
        return self.chance.choice(sorted(self.force.resources[type_]))

    def _order(self, type_: str) -> str:
        codes = [code for code in _codes(type_) if _kind(type_, code) != "composite"]
        chosen = self.chance.sample([*codes, "_id"], k=self.chance.choice((1, 1, 2, 3)))
        return ",".join(self.chance.choice(("", "-")) + code for code in chosen)

    def _criterion(self, type_: str, id_: str, depth: int = 0) -> Iterator[Pair]:
        """One criterion that the resource meets, or nearly."""
        draw = self.chance.random() if depth < DEEPEST else 1.0
        if draw < self.along / 2 and (chained := self._chain(type_, id_, depth)):
            yield chained
        elif draw < self.along and (turned := self._has(type_, id_, depth)):
            yield turned
        elif self.chance.random() < 0.04:
            yield "_id", f"{self._one_of(type_)},none"
        else:
            yield from self._plain(type_, id_)

    def _chain(self, type_: str, id_: str, depth: int) -> Pair | None:
        codes = [code for code in _codes(type_) if _kind(type_, code) == "reference"]
        pointed = [(code, form) for code in codes for form in sorted(self.force.pointed(type_, id_, code))]
        if not pointed:
            return None
        code, form = self.chance.choice(pointed)
        target, target_id = form.split("/")
        unnamed = 0 < len(parameters(type_)[code].targets) <= FEW_TARGETS and self.chance.random() < 0.5
        for name, value in self._criterion(target, target_id, depth + 1):
            return (f"{code}.{name}" if unnamed else f"{code}:{target}.{name}"), value
        return None

    def _has(self, type_: str, id_: str, depth: int) -> Pair | None:
        mine = f"{type_}/{id_}"
        pointing = [
            (parameter, other)
            for parameter in self._pointers(type_)
            for other in self.force.resources[parameter.type]
            if mine in self.force.pointed(parameter.type, other, parameter.code)
        ]
        if not pointing:
            return None
        parameter, other = self.chance.choice(pointing)
        for name, value in self._criterion(parameter.type, other, depth + 1):
            return f"_has:{parameter.type}:{parameter.code}:{name}", value
        return None

    def _pointers(self, type_: str) -> list[Parameter]:
        every = [parameters(source)[code] for source in self.force.resources for code in _codes(source)]
        return [one for one in every if one.kind == "reference" and (not one.targets or type_ in one.targets)]

    def _plain(self, type_: str, id_: str) -> Iterator[Pair]:
        if self.chance.random() < 0.1:
            yield f"{self.chance.choice(_codes(type_))}:missing", self.chance.choice(("true", "false"))
            return
        code = self.chance.choice([code for code in _codes(type_) if self.force.values(type_, id_, code)] or ["_tag"])
        found, modifier = parameters(type_)[code], self._modifier(type_, code)
        whose = [id_, *(self._one_of(type_) for _ in range(2))]
        values = [value for other in whose for value in self.force.values(type_, other, code)]
        texts = [text for value in values for text in self.speller.spellings(found.kind, modifier, value)]
        chosen = self.chance.sample(texts, k=min(len(texts), self.chance.choice((1, 1, 2))))
        if modifier == "type":
            modifier = self.chance.choice(found.targets)
        if chosen:
            yield code + (modifier and f":{modifier}"), ",".join(dict.fromkeys(chosen))

    def _modifier(self, type_: str, code: str) -> str:
        found = parameters(type_)[code]
        offered = {
            "type": bool(found.targets),
            "text": found.text,
            "of-type": any(path.type == "Identifier" for path in found.paths),
        }
        modifier = self.chance.choice(MODIFIERS.get(found.kind, ("",)))
        return modifier if offered.get(modifier, True) else ""


def _codes(type_: str) -> list[str]:
    return [code for code in parameters(type_) if defined(type_, code)]


def _kind(type_: str, code: str) -> str:
    found: Defined | None = defined(type_, code)
    return found.kind if found else ""
