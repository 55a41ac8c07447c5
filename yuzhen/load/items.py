"""What stands in a file: resources one by one, or in Bundles, each with the place where it stands.

https://hl7.org/fhir/R4/bundle.html
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from yuzhen.load.files import BOM, Source

TYPES = frozenset({"transaction", "batch", "collection", "searchset", "document", "message"})
"""Bundles whose entries are resources as they stand; a history holds versions instead."""
Read = TypeVar("Read")


class _Request(msgspec.Struct, rename="camel"):
    method: str = ""
    url: str = ""
    if_none_exist: str | None = None


class _Search(msgspec.Struct):
    mode: str = ""


class _Entry(msgspec.Struct, rename="camel"):
    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")
    request: _Request | None = None
    search: _Search | None = None


class _Bundle(msgspec.Struct, rename="camel"):
    type: str = ""
    entry: list[msgspec.Raw] = []


class _Resource(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str = ""
    status: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource stands: never what it says."""

    file: str
    line: int | None = None
    entry: int | None = None

    def __str__(self) -> str:
        parts = [f"line {self.line}" if self.line else "", f"entry {self.entry}" if self.entry is not None else ""]
        return ", ".join(filter(None, parts)) or "whole file"


@dataclass(frozen=True, slots=True)
class Item:
    """One resource as it stands in the file. `criteria` says by what it is looked for before it is created."""

    place: Place
    type: str
    id: str
    """The source's own id; empty where it gives none."""
    raw: msgspec.Raw | bytes
    status: str = ""
    full_url: str = ""
    criteria: str | None = None
    posted: bool = False
    """Its Bundle asks for a new id, so that one in the resource means nothing."""

    @property
    def body(self) -> bytes:
        return bytes(self.raw)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a file that is no resource to load."""

    place: Place
    code: str
    type: str = ""
    id: str = ""


@dataclass(slots=True)
class Group:
    """Resources that may point at one another by their fullUrls: a Bundle's, or one alone."""

    items: list[Item] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, found: Item | Fault | None) -> None:
        if isinstance(found, Item):
            self.items.append(found)
        elif found is not None:
            self.faults.append(found)


def groups(source: Source) -> Iterator[Group]:
    """Everything in a file; one that cannot be read to its end gives what came before, and a fault."""
    try:
        if source.by_lines:
            for number, line in source.lines():
                place = Place(source.name, number)
                yield _group(line, place) if line is not None else Group(faults=[Fault(place, "line-too-long")])
        else:
            with source.whole() as content:
                yield _group(memoryview(content)[len(BOM) if content[: len(BOM)] == BOM else 0 :], Place(source.name))
    except (OSError, EOFError, zlib.error):
        yield Group(faults=[Fault(Place(source.name), "file-unreadable")])


def _group(text: Any, place: Place) -> Group:
    group = Group()
    head = _read(_Resource, text)
    if head is None:
        group.add(Fault(place, "not-a-resource"))
    elif head.resource_type != "Bundle":
        group.add(Item(place, head.resource_type, head.id, bytes(text), _status(head)))
    else:
        _unpack(group, _read(_Bundle, text), place)
    return group


def _unpack(group: Group, bundle: _Bundle | None, place: Place) -> None:
    if bundle is None or bundle.type not in TYPES:
        group.add(Fault(place, "bundle-not-loadable", "Bundle"))
        return
    for number, raw in enumerate(bundle.entry):
        group.add(_entry(raw, Place(place.file, place.line, number)))


def _entry(raw: msgspec.Raw, place: Place) -> Item | Fault | None:
    entry = _read(_Entry, raw)
    if entry is None:
        return Fault(place, "entry-unreadable")
    if entry.search is not None and entry.search.mode == "outcome":
        return None
    head = _read(_Resource, entry.resource)
    if head is None:
        return Fault(place, "not-a-resource")
    request = entry.request or _Request("PUT", f"{head.resource_type}/{head.id}")
    if request.method not in {"POST", "PUT"}:
        return Fault(place, "method-not-loadable", head.resource_type, head.id)
    criteria = request.if_none_exist or (request.url.partition("?")[2] if request.method == "PUT" else "")
    posted = request.method == "POST"
    known = (place, head.resource_type, head.id, entry.resource, _status(head))
    return Item(*known, entry.full_url, criteria or None, posted)


def _status(head: _Resource) -> str:
    return bytes(head.status).decode(errors="replace").strip('"')


def _read(kind: type[Read], text: Any) -> Read | None:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
