"""Ways of spoiling one place of a sound resource, each with the place a refusal must name."""
# A mutation answers None where it does not apply.

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from record import definitions
from record.index.keys import reference_type

DATES = frozenset({"date", "dateTime", "instant"})
NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})
NO_DAY = {"date": "2026-02-30", "dateTime": "2026-02-30", "instant": "2026-02-30T08:00:00Z"}


@dataclass(frozen=True, slots=True)
class Site:
    """One element of a resource: the node that holds it, what HL7 says of it, and where the node stands."""

    node: dict[str, Any]
    name: str
    element: definitions.Element
    kind: str
    parent: str

    @property
    def value(self) -> Any:
        return self.node[self.name]

    @property
    def place(self) -> str:
        return f"{self.parent}.{self.name}"

    @property
    def first(self) -> Any:
        return self.value[0] if isinstance(self.value, list) else self.value

    @property
    def first_place(self) -> str:
        return f"{self.place}[0]" if isinstance(self.value, list) else self.place

    def put(self, value: Any) -> str:
        """Put something else in the first place; that place."""
        if isinstance(self.value, list):
            self.value[0] = value
        else:
            self.node[self.name] = value
        return self.first_place


def sites(node: dict[str, Any], kind: str, place: str) -> Iterator[Site]:
    """Every element of a resource, contained ones left out."""
    for name in list(node):
        element = definitions.elements().get(kind, {}).get(name)
        if element is None or element["type"] in {"Resource", "xhtml"} or node[name] in ([], [None]):
            continue
        site = Site(node, name, element, kind, place)
        if site.first is None:
            continue
        yield site
        for i, item in enumerate(site.value if isinstance(site.value, list) else [site.value]):
            if isinstance(item, dict):
                yield from sites(
                    item, element["type"], f"{place}.{name}[{i}]" if site.value is not item else site.place
                )


def _unknown(site: Site) -> str | None:
    if not isinstance(site.first, dict):
        return None
    site.first["nonsense"] = "x"
    return site.first_place


def _missing(site: Site) -> str | None:
    if not site.element.get("least") or "choice" in site.element or f"_{site.name}" in site.node:
        return None
    del site.node[site.name]
    return site.parent


def _empty(site: Site) -> str | None:
    return site.put({} if isinstance(site.first, dict) else " ")


def _null(site: Site) -> str | None:
    """Nothing at all where one value stands, or every value of an array."""
    site.node[site.name] = [None] if isinstance(site.value, list) else None
    return site.place


def _control(site: Site) -> str | None:
    return site.put("a\x07b") if isinstance(site.first, str) else None


def _several(site: Site) -> str | None:
    if isinstance(site.value, list):
        return None
    site.node[site.name] = [site.value, site.value]
    return site.place


def _bare(site: Site) -> str | None:
    if not isinstance(site.value, list):
        return None
    site.node[site.name] = site.first
    return site.place


def _json_type(site: Site) -> str | None:
    if isinstance(site.first, dict):
        return site.put("text")
    if isinstance(site.first, bool):
        return site.put("true")
    if isinstance(site.first, int | float):
        return site.put("1")
    return site.put({"value": "x"})


def _code(site: Site) -> str | None:
    if "codes" not in site.element:
        return None
    if site.element["type"] == "code":
        return site.put("no-such-code")
    coding = {"system": "http://no.example", "code": "no-such-code"}
    return site.put(coding if site.element["type"] == "Coding" else {"coding": [coding]})


def _day(site: Site) -> str | None:
    return site.put(NO_DAY[site.element["type"]]) if site.element["type"] in DATES else None


def _number(site: Site) -> str | None:
    if site.element["type"] not in NUMBERS - {"decimal"}:
        return None
    return site.put(2**31)


def _target(site: Site) -> str | None:
    targets = site.element.get("targets", ())
    if site.element["type"] != "Reference" or not targets or reference_type(site.first) is None:
        return None
    other = "Linkage" if "Linkage" not in targets else "Patient"
    return site.put({"reference": f"{other}/1"})


def _contained_target(site: Site) -> str | None:
    if site.element["type"] != "Reference" or "Linkage" in site.element.get("targets", ["Linkage"]):
        return None
    return site.put({"reference": "#spoilt"})


def _canonical(site: Site) -> str | None:
    if site.element["type"] != "canonical" or "StructureDefinition" in site.element.get(
        "targets", ["StructureDefinition"]
    ):
        return None
    return site.put("https://example.org/fhir/Linkage/1|2")


def _hollow(site: Site) -> str | None:
    below = definitions.elements().get(site.element["type"])
    if not isinstance(site.first, dict) or below is None or any(element.get("least") for element in below.values()):
        return None
    if site.element["type"] == "Coding" or str(site.first.get("reference", "")).startswith("#"):
        return None
    return site.put({"id": "x"})


def _extension(site: Site) -> str | None:
    if not isinstance(site.first, dict) or site.element["type"] == "Extension":
        return None
    site.first["extension"] = [{"url": "http://example.org/x"}]
    return f"{site.first_place}.extension[0]"


def _beside(site: Site) -> str | None:
    """A primitive's extension that says nothing."""
    if isinstance(site.value, dict | list) or site.element["type"] == "System.String" or site.name in {"id", "url"}:
        return None
    site.node[f"_{site.name}"] = {"extension": [{"url": "http://example.org/x"}]}
    return f"{site.place}.extension[0]"


def _period(site: Site) -> str | None:
    return site.put({"start": "2026-11-25", "end": "2026-11-24"}) if site.element["type"] == "Period" else None


def _other_choice(site: Site) -> str | None:
    choice = site.element.get("choice")
    others = definitions.elements()[site.kind].items()
    other = next((n for n, e in others if e.get("choice") == choice and n != site.name and e["type"] in GIVEN), None)
    if choice is None or other is None:
        return None
    site.node[other] = GIVEN[definitions.elements()[site.kind][other]["type"]]
    order = list(definitions.elements()[site.kind])
    return f"{site.parent}.{max(site.name, other, key=order.index)}"


PLANTED = [
    {"url": "http://example.org/a", "valueString": "x"},
    {"url": "http://example.org/b", "valueInteger": 1},
    {"url": "http://example.org/c", "valueDateTime": "2026-11-25"},
    {"url": "http://example.org/d", "valuePeriod": {"start": "2026-11-25", "end": "2026-11-26"}},
    {"url": "http://example.org/e", "valueReference": {"reference": "Patient/1"}},
    {"url": "http://example.org/f", "valueIdentifier": {"use": "usual", "assigner": {"reference": "Organization/1"}}},
]
"""Extensions that offer every type something to spoil, whatever its own elements."""


def planted(body: bytes) -> dict[str, Any]:
    """A resource with those extensions in its meta."""
    resource: dict[str, Any] = orjson.loads(body)
    resource.setdefault("meta", {}).setdefault("extension", []).extend(orjson.loads(orjson.dumps(PLANTED)))
    return resource


GIVEN: Mapping[str, Any] = {
    "string": "x",
    "boolean": True,
    "dateTime": "2026",
    "date": "2026",
    "CodeableConcept": {"text": "x"},
    "Reference": {"display": "x"},
    "Period": {"start": "2026"},
    "Range": {"low": {"value": 1}},
    "decimal": 1,
    "Quantity": {"value": 1},
}

MUTATIONS: Mapping[str, Callable[[Site], str | None]] = {
    "unknown element": _unknown,
    "element missing": _missing,
    "empty element": _empty,
    "nothing": _null,
    "control character": _control,
    "several of one": _several,
    "one outside its array": _bare,
    "wrong JSON type": _json_type,
    "wrong code": _code,
    "no such day": _day,
    "number out of range": _number,
    "wrong target": _target,
    "wrong contained target": _contained_target,
    "wrong canonical": _canonical,
    "hollow element": _hollow,
    "hollow extension": _extension,
    "hollow extension of a primitive": _beside,
    "period backwards": _period,
    "two of a choice": _other_choice,
}
