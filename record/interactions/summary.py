"""A part of a resource instead of the whole: `_summary` and `_elements`, cut from the stored bytes.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from record import definitions
from record.failures import ParameterUnknown, ValueUnreadable
from record.splice import Fields

ANY = "Resource"
"""Stands for every type."""
NAMES = frozenset({"_summary", "_elements"})
WAYS = frozenset({"true", "text", "data", "count", "false"})
ELEMENT = re.compile(r"[a-z][A-Za-z0-9]{0,63}")
ALWAYS = frozenset({"resourceType", "id", "meta"})
INWARD = b'"#'
"""How a reference to a contained resource begins: such a resource comes along."""
SUBSETTED = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "SUBSETTED")

_fields = msgspec.json.Decoder(Fields).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_join = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class View:
    """How much of each resource is wanted."""

    way: str = "false"
    elements: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return self.way == "false" and not self.elements

    def of(self, body: bytes) -> bytes:
        """The wanted part of a resource's bytes, marked as a part."""
        fields = _fields(body)
        type_ = msgspec.json.decode(fields["resourceType"], type=str)
        if self.elements:
            kept = _only(fields, type_, frozenset(self.elements))
        elif self.way == "true":
            kept = _summarised(fields, type_)
        elif self.way == "text":
            kept = _only(fields, type_, frozenset({"text"}))
        else:
            kept = {name: value for name, value in fields.items() if name != "text"}
        kept["meta"] = _marked(fields.get("meta"))
        if "contained" in fields and "contained" not in kept and any(INWARD in bytes(value) for value in kept.values()):
            kept["contained"] = fields["contained"]
        return _join(kept)


WHOLE = View()


def view_in(query: Sequence[tuple[str, str]], type_: str) -> tuple[View, tuple[tuple[str, str], ...]]:
    """How much of a resource of this type the query wants, and the rest of the query.

    Raises ValueUnreadable, ParameterUnknown.
    """
    wanted = [pair for pair in query if pair[0] in NAMES]
    if not wanted:
        return WHOLE, tuple(query)
    if len(wanted) > 1:
        raise ValueUnreadable("Give either _summary or _elements, once.")
    (name, value), rest = wanted[0], tuple(pair for pair in query if pair[0] not in NAMES)
    if name == "_summary":
        if value not in WAYS:
            raise ValueUnreadable("_summary must be true, text, data, count or false.")
        return View(value), rest
    elements = tuple(part.strip() for part in value.split(","))
    if not all(ELEMENT.fullmatch(element) for element in elements):
        raise ValueUnreadable("_elements lists names of elements, such as identifier,name.")
    known = {entry.get("choice", name) for name, entry in definitions.elements().get(type_, {}).items()}
    for element in elements:
        if type_ != ANY and element not in known:
            raise ParameterUnknown(f"{type_} has no element '{element}'.")
    return View(elements=elements), rest


def without_entries(query: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The search that counts what this one finds."""
    return (*(pair for pair in query if pair[0] != "_count"), ("_count", "0"))


def is_subsetted(resource: Mapping[str, Any]) -> bool:
    """Whether this is a part of a resource, as a summary gives it."""
    tags = resource.get("meta", {}).get("tag", ())
    return any((tag.get("system"), tag.get("code")) == SUBSETTED for tag in tags)


def _only(fields: Fields, type_: str, wanted: frozenset[str]) -> Fields:
    """These elements, and those without which the rest would say something else or be no resource."""
    elements = definitions.elements()[type_]
    kept = {}
    for name, value in fields.items():
        entry = elements.get(name.removeprefix("_"), {})
        named = entry.get("choice", name.removeprefix("_"))
        if named in wanted or named in ALWAYS | {"implicitRules", "modifierExtension"} or entry.get("least"):
            kept[name] = value
    return kept


def _summarised(fields: Fields, type_: str) -> Fields:
    """The elements HL7 marks for summaries, in every depth."""
    elements = definitions.elements()[type_]
    kept = {}
    for name, value in fields.items():
        entry = elements.get(name.removeprefix("_"), {})
        if name in ALWAYS or entry.get("summary") or entry.get("least"):
            kept[name] = value if name == "meta" else _inner(value, entry.get("type", ""))
    return kept


def _inner(value: msgspec.Raw, type_: str) -> msgspec.Raw:
    """An element's own summary; what would come out empty stays whole."""
    if type_ not in _cuttable():
        return value
    text = bytes(value)
    if text.startswith(b"["):
        return msgspec.Raw(_join([_inner(item, type_) for item in _items(text)]))
    if not text.startswith(b"{"):
        return value
    kept = _summarised(_fields(text), type_)
    return msgspec.Raw(_join(kept)) if kept else value


@cache
def _cuttable() -> frozenset[str]:
    """The types of elements of which a summary leaves something out."""
    elements = definitions.elements()
    partial = {
        type_
        for type_, own in elements.items()
        if "resourceType" not in own and any(not one.get("summary") and not one.get("least") for one in own.values())
    }
    return frozenset(partial)


def _marked(meta: msgspec.Raw | None) -> msgspec.Raw:
    fields: Fields = _fields(meta) if meta else {}
    tags = _items(fields["tag"]) if "tag" in fields else []
    system, code = SUBSETTED
    tags.append(msgspec.Raw(_join({"system": system, "code": code})))
    fields["tag"] = msgspec.Raw(_join(tags))
    return msgspec.Raw(_join(fields))
