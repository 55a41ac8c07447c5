"""Random searches drawn from what resources can be found by, so that many of them match something."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Typed = tuple[str, Any]
"""A FHIR type and a value of it."""
Asked = list[tuple[str, str]]
Found = Sequence[tuple[str, str, Sequence[Typed]]]
"""What one resource can be found by: parameter, its kind, its values."""

PREFIXES = ("", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
MARKS = re.compile(r"([,|$\\])")
DATED = re.compile(r"\d{4}")
LONG_MONTHS = ("01", "03", "05", "07", "08", "10", "12")
PRECISIONS = (4, 7, 10, 19, 40)
"""Letters of a date; Medplum finds nothing by a minute without its seconds."""
FEW = 20
"""A reference to any type at all must name the type."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One search, as it is asked and in words that need no knowledge of the parameter's targets."""

    type: str
    asked: Asked
    longhand: Asked


@dataclass(slots=True)
class Drawing:
    """Searches among resources of which is known what they can be found by."""

    chance: random.Random
    found: Mapping[str, Sequence[Found]]
    """Type -> what each of its resources can be found by."""
    targets: Mapping[str, Mapping[str, Sequence[str]]]

    def search(self) -> Drawn:
        """A search of one to three parameters; all but a tenth of its values are one resource's own."""
        type_ = self.chance.choice(sorted(self.found))
        own = self.chance.choice([one for one in self.found[type_] if one])
        chosen = self.chance.sample(own, k=min(len(own), self.chance.choice((1, 1, 1, 2, 2, 3))))
        pairs = [self._parameter(type_, code, kind, values) for code, kind, values in chosen]
        drawn = [pair for pair in pairs if pair]
        return Drawn(type_, [one for one, _ in drawn], [other for _, other in drawn]) if drawn else self.search()

    def _parameter(
        self, type_: str, code: str, kind: str, values: Sequence[Typed]
    ) -> tuple[tuple[str, str], tuple[str, str]] | None:
        if self.chance.random() < 0.08:
            missing = (f"{code}:missing", self.chance.choice(("true", "false")))
            return missing, missing
        spellings = {"token": self._token, "date": self._date, "uri": self._uri, "reference": self._reference}[kind]
        options = [text for value in self._some(type_, code, values, kind) for text in spellings(*value)]
        if kind == "reference" and len(self.targets[type_][code]) > FEW:
            options = [text for text in options if "/" in text]
        if not options:
            return None
        listed = self.chance.sample(
            options, k=1 if kind == "date" else min(len(options), self.chance.choice((1, 1, 2)))
        )
        name = f"{code}:not" if kind == "token" and self.chance.random() < 0.15 else code
        longhand = [long for text in listed for long in self._longhand(type_, code, kind, text)]
        return (name, ",".join(listed)), (name, ",".join(longhand))

    def _some(self, type_: str, code: str, values: Sequence[Typed], kind: str) -> list[Typed]:
        """A value of the chosen resource's, and sometimes one of another's."""
        some = [self.chance.choice(values)]
        if self.chance.random() < (0.3 if kind == "date" else 0.5):
            other = self.chance.choice(self.found[type_])
            some += [value for name, _, theirs in other if name == code for value in theirs[:1]]
        return some

    def _token(self, type_: str, value: Any) -> list[str]:
        match type_:
            case "CodeableConcept":
                return [form for coding in value.get("coding", ()) for form in self._token("Coding", coding)]
            case "Coding":
                return self._forms(value.get("system"), value.get("code"))
            case "Identifier":
                return self._forms(value.get("system"), value.get("value"))
            case "ContactPoint":
                return [escaped(value["value"])] if "value" in value else []
            case _ if isinstance(value, bool):
                return [str(value).lower()]
            case _ if isinstance(value, str):
                return self._forms(None, value)
        return []

    def _forms(self, system: str | None, code: str | None) -> list[str]:
        if MARKS.search(f"{system}{code}"):
            return []  # Medplum cuts a token at an escaped mark as well
        forms = [code, f"|{code}", f"urn:none|{code}"] if code else []
        return [*forms, *([f"{system}|", *([f"{system}|{code}"] * 2 if code else [])] if system else [])]

    def _reference(self, _: str, value: Any) -> list[str]:
        text = value.get("reference", "") if isinstance(value, dict) else value
        if "/" not in text or text.startswith("#"):
            return []  # Medplum knows a reference by its slash
        local = re.fullmatch(r"[A-Z]\w+/([A-Za-z0-9.-]+)", text)
        return [escaped(text), *([local[1]] if local else [])]

    def _uri(self, _: str, value: Any) -> list[str]:
        return [escaped(value)]

    def _date(self, _: str, value: Any) -> list[str]:
        written = [value] if isinstance(value, str) else [value[end] for end in ("start", "end") if end in value]
        return [self.chance.choice(PREFIXES) + self._cut(text) for text in written if DATED.match(text)]

    def _cut(self, text: str) -> str:
        """The day or instant at some precision; never a month that has fewer than 31 days."""
        length = self.chance.choice(PRECISIONS)
        zone = re.search(r"T.*?(Z|[+-]\d\d:\d\d)$", text)
        if length == 7 and text[5:7] not in LONG_MONTHS:
            length = 10
        if length <= 10 or not zone:
            return text[:length]
        return text[: min(length, len(text) - len(zone[1]))] + zone[1]

    def _longhand(self, type_: str, code: str, kind: str, text: str) -> list[str]:
        """A bare id stands for each type the parameter points at; one type alone Medplum knows by itself."""
        targets = self.targets[type_][code]
        bare = kind == "reference" and "/" not in text
        return [f"{target}/{text}" for target in targets] if bare and len(targets) != 1 else [text]


def escaped(text: str) -> str:
    """A value as a search spells it (https://hl7.org/fhir/R4/search.html#escaping)."""
    return MARKS.sub(r"\\\1", text)


def gathered(
    resources: Sequence[dict[str, Any]], found: Sequence[Found], offered: Callable[[str, str], bool]
) -> dict[str, list[Found]]:
    """What was found in each resource, by type, of the parameters that are offered."""
    by_type: dict[str, list[Found]] = {}
    for resource, one in zip(resources, found, strict=True):
        kept = [part for part in one if offered(resource["resourceType"], part[0])]
        by_type.setdefault(resource["resourceType"], []).append(kept)
    return {type_: each for type_, each in by_type.items() if any(each)}
