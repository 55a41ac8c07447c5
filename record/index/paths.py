"""HL7's search expressions compiled to plain walks over a resource, each with the type of what it finds.

Understood: element paths, `|`, `ofType(T)`, `as(T)`, `(x as T)`, `where(resolve() is T)`, `where(element='text')`,
`extension('url')` and `x.exists() and x != false`. https://hl7.org/fhir/R4/searchparameter-registry.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from record import definitions
from record.index.keys import number, reference_type

IS_A = re.compile(r"where\(resolve\(\) is (\w+)\)")
EQUALS = re.compile(r"where\((\w+)\s*=\s*'([^']*)'\)")
OF_TYPE = re.compile(r"(?:ofType|as)\((\w+)\)")
EXTENSION = re.compile(r"extension\('([^']+)'\)")
IS_SO = re.compile(r"(\w+)\.(\w+)\.exists\(\) and \1\.\2 != false")
NAME = re.compile(r"\w+")


class ExpressionUnknown(Exception):
    """The expression uses a part of FHIRPath that is not understood here."""


@dataclass(frozen=True, slots=True)
class Step:
    """Go into an element, and keep what fits."""

    name: str
    is_a: str | None = None
    where: tuple[str, str] | None = None

    def keeps(self, value: Any) -> bool:
        if self.is_a is not None:
            return reference_type(value) == self.is_a
        return self.where is None or (isinstance(value, dict) and value.get(self.where[0]) == self.where[1])

    def __str__(self) -> str:
        """The step as FHIRPath spells it."""
        if self.is_a is not None:
            return f"{self.name}.where(resolve() is {self.is_a})"
        return f"{self.name}.where({self.where[0]}='{self.where[1]}')" if self.where else self.name


@dataclass(frozen=True, slots=True)
class Path:
    """A walk from the resource, or from an element inside it, to values of one type."""

    steps: tuple[Step, ...]
    type: str
    systems: tuple[str, ...] = ()
    """The systems a bare code at the end of the walk belongs to."""
    root: str = ""
    """Where the walk begins, as FHIRPath spells it."""
    is_so: tuple[str, ...] = ()
    """The walk finds whether one of these elements is there and not false."""

    def values(self, resource: dict[str, Any]) -> list[Any]:
        """What the walk finds, in order."""
        if self.is_so:
            return [any(resource.get(name) not in (None, False) for name in self.is_so)]
        found: list[Any] = [resource]
        for step in self.steps:
            found = [value for node in found for value in _inside(node, step.name) if step.keeps(value)]
            if not found:
                break
        return found

    @property
    def spelling(self) -> str:
        """The walk as FHIRPath spells it, with each choice named."""
        return ".".join((self.root, *map(str, self.steps)))

    @property
    def place(self) -> int:
        """The number under which its values stand in the side tables; parameters that share a walk share the rows."""
        return number(f"{self.spelling}:{self.type}")


def _inside(node: Any, name: str) -> Iterator[Any]:
    value = node.get(name) if isinstance(node, dict) else None
    if isinstance(value, list):
        yield from (item for item in value if item is not None)
    elif value is not None:
        yield value


def compiled(expression: str, type_: str) -> tuple[Path, ...]:
    """The walks of the expression that begin at this resource type. Raises ExpressionUnknown."""
    if found := IS_SO.fullmatch(expression):
        asked = _elements(Path((), type_, root=type_), found[2])
        return (Path((), "boolean", root=type_, is_so=tuple(path.steps[0].name for path in asked)),)
    walks: list[Path] = []
    for first, *rest in _walks(expression):
        if first == type_ or first in {"Resource", "DomainResource"}:
            walks += _follow(rest, Path((), type_, root=type_))
    return tuple(dict.fromkeys(walks))


def inside(group: Path, expression: str) -> tuple[Path, ...]:
    """The walks of the expression from the element that `group` leads to. Raises ExpressionUnknown."""
    start = Path((), group.type, root=group.spelling)
    return tuple(path for words in _walks(expression) for path in _follow(words, start))


def _walks(expression: str) -> Iterator[list[str]]:
    """The words of each walk of the expression."""
    for part in _split(expression, "|"):
        yield _words(re.sub(r"\(?([\w.]+) as (\w+)\)?", r"\1.ofType(\2)", part))


def _words(walk: str) -> list[str]:
    first, *rest = _split(walk.strip(), ".")
    return [*_words(first[1:-1]), *rest] if first.startswith("(") else [first, *rest]


def _split(text: str, mark: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == mark and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _follow(words: list[str], start: Path) -> list[Path]:
    walks = [start]
    for word in words:
        walks = [further for walk in walks for further in _further(walk, word)]
        if not walks:
            raise ExpressionUnknown(".".join(words))
    return walks


def _further(walk: Path, word: str) -> list[Path]:
    if found := OF_TYPE.fullmatch(word):
        # HL7 once spells a primitive type with a capital.
        return [walk] if walk.type.lower() == found[1].lower() else []
    if found := IS_A.fullmatch(word):
        return [_narrowed(walk, is_a=found[1])]
    if found := EQUALS.fullmatch(word):
        return [_narrowed(walk, where=(found[1], found[2]))]
    if found := EXTENSION.fullmatch(word):
        step = Step("extension", where=("url", found[1]))
        return [replace(walk, steps=(*walk.steps, step), type="Extension", systems=())]
    if not NAME.fullmatch(word):
        raise ExpressionUnknown(word)
    return list(_elements(walk, word))


def _narrowed(walk: Path, **kept: Any) -> Path:
    return replace(walk, steps=(*walk.steps[:-1], replace(walk.steps[-1], **kept)))


def _elements(walk: Path, name: str) -> Iterator[Path]:
    """The element of that name; for a choice such as `value`, each type it may take."""
    for spelt, element in definitions.elements().get(walk.type, {}).items():
        if name in {spelt, element.get("choice")}:
            systems = tuple(element.get("codes", ())) if element["type"] == "code" else ()
            yield Path((*walk.steps, Step(spelt)), element["type"], systems, walk.root)
