"""FHIR's search rules by brute force: each parameter's expression is HL7's own, evaluated by fhirpathpy.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import localcontext
from functools import cache
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

from record import definitions
from tests.record.comparing import EXACT, fits, form_of, matches_option, options, sort_marks

Resources = Mapping[str, Mapping[str, dict[str, Any]]]
"""Type -> id -> resource."""
R4 = models["r4"]
IS_A = re.compile(r"where\(resolve\(\) is (\w+)\)")
REFERS = r"where(reference.matches('^(.*/)?\1/[^/]+(/_history/.*)?$') or type = '\1')"
IN_WORDS = {"CarePlan.activity.detail.scheduled": ("Timing", "Period"), "Immunization.occurrence": ("dateTime",)}
"""Times that may be told in words, which are no date even where they look like one."""


@cache
def _compiled(expression: str, base: str) -> Callable[[Any], list[Any]]:
    spelt = IS_A.sub(REFERS, expression)
    spelt = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.ofType(\2)", spelt)
    spelt = re.sub(r"\bas\(", "ofType(", spelt).replace("ofType(DateTime)", "ofType(dateTime)")
    if "." not in base:
        compiled = fhirpathpy.compile(spelt, R4)
        return lambda node: compiled(node, None)
    return lambda node: fhirpathpy.evaluate(node, {"base": base, "expression": spelt}, model=R4)


@dataclass(frozen=True, slots=True)
class Defined:
    """HL7's definition of one parameter of one type."""

    type: str
    code: str
    kind: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[Mapping[str, str], ...]


@cache
def defined(type_: str, code: str) -> Defined | None:
    """The definition, its expression cut down to what begins at the type."""
    for entry in definitions.search_parameters():
        if entry["code"] == code and (type_ in entry["base"] or (code.startswith("_") and "Resource" in entry["base"])):
            return Defined(
                type_,
                code,
                entry["type"],
                _cut(entry["expression"], type_),
                tuple(entry.get("target", ())),
                tuple(entry.get("component", ())),
            )
    return None


def _cut(expression: str, type_: str) -> str:
    if " and " in expression:
        return expression
    for told, times in IN_WORDS.items():
        expression = expression.replace(told, " | ".join(f"{told}.ofType({time})" for time in times))
    parts = re.sub(r"\b(Domain)?Resource\.", f"{type_}.", expression).split("|")
    return " | ".join(part.strip() for part in parts if re.match(rf"\s*\(?{type_}\b", part))


@cache
def _kind_of(url: str) -> str:
    return next(str(entry["type"]) for entry in definitions.search_parameters() if entry["url"] == url)


@dataclass(slots=True)
class Force:
    """All the resources there are, and what each is found by."""

    resources: Resources
    _values: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict)

    def among(self, resources: Resources) -> "Force":
        """As if there were only these of the resources."""
        return Force(resources, self._values)

    def values(self, type_: str, id_: str, code: str) -> list[Any]:
        """What a parameter finds in a resource; of a composite, pairs of token values and of other values."""
        key = (type_, id_, code)
        if key not in self._values:
            self._values[key] = self._evaluated(type_, id_, code)
        return self._values[key]

    def _evaluated(self, type_: str, id_: str, code: str) -> list[Any]:
        resource, found = self.resources[type_][id_], defined(type_, code)
        assert found is not None
        if found.kind == "composite":
            return list(self._groups(found, resource))
        return [one for one in _compiled(found.expression, type_)(resource) if fits(found.kind, one)]

    def _groups(self, found: Defined, resource: dict[str, Any]) -> Iterator[tuple[list[Any], list[Any], str]]:
        first, second = (part["expression"] for part in found.components)
        kind = _kind_of(found.components[1]["definition"]) if found.code != "relationship" else "reference"
        for walk in found.expression.split("|"):
            base = walk.strip()
            nodes = [resource] if base == found.type else _compiled(base, found.type)(resource)
            for node in nodes:
                tokens = [one for one in _compiled(first, base)(node) if fits("token", one)]
                others = [one for one in _compiled(second, base)(node) if fits(kind, one)]
                if tokens and others:
                    yield tokens, others, kind

    def matches(self, type_: str, id_: str, name: str, value: str) -> bool:
        """Whether a resource matches one parameter as it is asked."""
        if name.startswith("_has:"):
            _, source, code, further = name.split(":", 3)
            mine = f"{type_}/{id_}"
            others = [other for other in self.resources.get(source, {}) if mine in self.pointed(source, other, code)]
            return any(self.matches(source, other, further, value) for other in others)
        head, dot, further = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot:
            targets = [target.split("/") for target in self.pointed(type_, id_, code)]
            return any(
                self.matches(target, other, further, value)
                for target, other in targets
                if modifier in {"", target} and self._knows(target, further)
            )
        return self._plain(type_, id_, code, modifier, value)

    def _knows(self, type_: str, further: str) -> bool:
        code = re.split(r"[.:]", further)[0]
        return code in {"_id", "_has"} or defined(type_, code) is not None

    def pointed(self, type_: str, id_: str, code: str) -> set[str]:
        """The resources there are that a reference points at."""
        found = [form_of(one) for one in self.values(type_, id_, code) if isinstance(one, dict)]
        return {form for form in found if form and self._exists(form)}

    def _exists(self, form: str) -> bool:
        type_, _, id_ = form.partition("/")
        return id_ in self.resources.get(type_, {})

    def _plain(self, type_: str, id_: str, code: str, modifier: str, value: str) -> bool:
        if code == "_id":
            return id_ in options(value)
        found = self.values(type_, id_, code)
        if modifier == "missing":
            return (not found) is (value == "true")
        parameter = defined(type_, code)
        assert parameter is not None
        kind, targets = parameter.kind, parameter.targets
        hit = any(matches_option(kind, targets, modifier, one, text) for one in found for text in options(value))
        return not hit if modifier == "not" else hit

    def found(self, type_: str, asked: Sequence[tuple[str, str]]) -> list[str]:
        """The ids of everything that matches, in the order that `_sort` asks for."""
        criteria = [pair for pair in asked if pair[0] != "_sort"]
        with localcontext(EXACT):
            ids = [id_ for id_ in self.resources[type_] if all(self.matches(type_, id_, *pair) for pair in criteria)]
        sort = [code for name, value in asked if name == "_sort" for code in value.split(",")]
        return self._ordered(type_, ids, sort)

    def _ordered(self, type_: str, ids: list[str], sort: list[str]) -> list[str]:
        """Stable sorts from the last key to the first, what has no value behind the rest each time."""
        ordered = sorted(ids, reverse=bool(sort) and sort[-1].startswith("-"))
        for code in reversed(sort):
            down, name = code.startswith("-"), code.removeprefix("-")
            marks = {id_: self._sort_value(type_, id_, name, down=down) for id_ in ordered}
            valued = [id_ for id_ in ordered if marks[id_] is not None]
            ordered = sorted(valued, key=lambda id_: marks[id_], reverse=down) + [
                id_ for id_ in ordered if marks[id_] is None
            ]
        return ordered

    def _sort_value(self, type_: str, id_: str, code: str, *, down: bool) -> Any:
        if code == "_id":
            return id_
        parameter = defined(type_, code)
        assert parameter is not None
        marks = [mark for one in self.values(type_, id_, code) for mark in sort_marks(parameter.kind, one, down=down)]
        return (max if down else min)(marks, default=None)
