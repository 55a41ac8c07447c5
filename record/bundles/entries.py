"""A Bundle as a client sends it, read entry by entry; the bytes of its resources are left alone.

https://hl7.org/fhir/R4/http.html#transaction
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec

from kernel.failures import Failure, Invalid
from kernel.http import FHIR_JSON
from record.failures import BundleTooLarge, BundleUnreadable, EntryUnreadable

MOST_ENTRIES = 1000
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
READS = frozenset({"GET", "HEAD"})
CARRIERS = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose entry has a resource."""
PATH = re.compile(r"[A-Za-z0-9\-._$/]{1,200}")
LONGEST = 8000
KEPT = "%&=+:/?,;@!$'()*~|[]"
"""Characters of a query that come as its writer meant them."""

ABSENT = msgspec.Raw(b"")

Read = TypeVar("Read")


class _Sent(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Everything a Bundle may hold that is sent to be acted on."""

    resource_type: str
    type: str
    entry: msgspec.Raw = ABSENT
    id: str | None = None
    meta: msgspec.Raw = ABSENT
    language: str | None = None
    identifier: msgspec.Raw = ABSENT
    timestamp: str | None = None
    link: msgspec.Raw = ABSENT
    signature: msgspec.Raw = ABSENT


class _Request(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    method: str
    url: str
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None
    id: str | None = None
    extension: msgspec.Raw = ABSENT


class _Entry(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    request: _Request
    full_url: str | None = None
    resource: msgspec.Raw = ABSENT
    id: str | None = None
    link: msgspec.Raw = ABSENT
    extension: msgspec.Raw = ABSENT


class Gist(msgspec.Struct, rename="camel"):
    """What is looked at in a resource before its room checks it."""

    resource_type: str = ""
    id: str = ""
    status: str = ""


class _Patch(msgspec.Struct, rename="camel"):
    """A Binary that carries a patch."""

    resource_type: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Entry:
    """One entry: what is asked of which address, and the resource's own bytes."""

    n: int
    method: str
    path: str
    """Relative to the FHIR base, without a slash in front."""
    query: str
    full_url: str | None
    resource: bytes
    if_match: str | None
    if_none_match: str | None
    if_none_exist: str | None
    if_modified_since: str | None

    @property
    def type(self) -> str:
        """The resource type asked for."""
        return self.path.partition("/")[0]

    @property
    def address(self) -> str:
        """Path and query as an address spells them: what may not stand in one is escaped, nothing twice."""
        return f"{self.path}?{self.escaped_query}" if self.query else self.path

    @property
    def escaped_query(self) -> str:
        return quote(self.query, safe=KEPT)

    @property
    def place(self) -> str:
        """Where the entry stands, for those who are told that it failed."""
        return f"Bundle.entry[{self.n}]"

    @cached_property
    def gist(self) -> Gist:
        """Type, id and status of the resource, as far as they can be read."""
        return gist_of(self.resource)

    @property
    def content(self) -> tuple[bytes, str]:
        """The body this entry stands for, and its media type: a PATCH comes inside a Binary."""
        if self.method != "PATCH" or self.gist.resource_type != "Binary":
            return self.resource, FHIR_JSON if self.resource else ""
        patch = _decoded(_patch, self.resource, EntryUnreadable)
        return patch.data, patch.content_type

    @classmethod
    def read(cls, raw: bytes, n: int, *, base: str) -> Self:
        """An entry as it stands in the Bundle. `base` is the address that ends in /fhir. Raises EntryUnreadable."""
        with at_entry(n):
            sent = _decoded(_entry, raw, EntryUnreadable)
            asked = sent.request
            path, _, query = asked.url.removeprefix(f"{base}/").removeprefix("/").partition("?")
            if asked.method not in METHODS or not PATH.fullmatch(path):
                raise EntryUnreadable("The method is an HTTP verb, the url such as Patient/1 or Patient?name=x.")
            conditions = (asked.if_match, asked.if_none_match, asked.if_none_exist, asked.if_modified_since)
            texts = (query, *filter(None, conditions))
            if not all(text.isprintable() and len(text) <= LONGEST for text in texts):
                raise EntryUnreadable(f"An address or condition is one line of {LONGEST} characters at most.")
            resource = bytes(sent.resource)
            _told_once(bytes(raw), resource, EntryUnreadable)
            if bool(resource) is not (asked.method in CARRIERS) and "$" not in path:
                raise EntryUnreadable("POST, PUT and PATCH come with a resource, the others without.")
            return cls(n, asked.method, path, query, sent.full_url, resource, *conditions)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A batch or transaction, its entries not yet read."""

    type: str
    entries: list[msgspec.Raw]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """The Bundle in a body. Raises BundleUnreadable, BundleTooLarge."""
        sent = _decoded(_sent, body, BundleUnreadable)
        if sent.resource_type != "Bundle" or sent.type not in {"batch", "transaction"}:
            raise BundleUnreadable(expression="Bundle.type")
        _told_once(body, bytes(sent.entry), BundleUnreadable)
        entries = _decoded(_entries, bytes(sent.entry), BundleUnreadable) if bytes(sent.entry) else []
        if len(entries) > MOST_ENTRIES:
            raise BundleTooLarge(f"{MOST_ENTRIES} entries at once are enough.", expression="Bundle.entry")
        return cls(sent.type, entries)

    def read_all(self, *, base: str) -> list[Entry]:
        """Every entry. Raises EntryUnreadable."""
        return [Entry.read(bytes(raw), n, base=base) for n, raw in enumerate(self.entries)]


_sent = msgspec.json.Decoder(_Sent).decode
_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
_entry = msgspec.json.Decoder(_Entry).decode
_gist = msgspec.json.Decoder(Gist).decode
_patch = msgspec.json.Decoder(_Patch).decode


def gist_of(resource: bytes) -> Gist:
    """Type, id and status of a resource; empty where they cannot be read."""
    try:
        return _gist(resource) if resource else Gist()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return Gist()


@contextmanager
def at_entry(n: int) -> Iterator[None]:
    """Whatever fails in here names the entry and the place in its resource."""
    try:
        yield
    except Failure as failure:
        for one in (failure, *failure.others):
            one.expression = _placed(n, one.expression)
        raise


def _placed(n: int, expression: str | None) -> str:
    if expression is None:
        return f"Bundle.entry[{n}]"
    if expression.startswith("Bundle.entry["):
        return expression
    _, dot, below = expression.partition(".")
    return f"Bundle.entry[{n}].resource{dot}{below}"


def _told_once(around: bytes, inside: bytes, failure: type[Invalid]) -> None:
    """Nothing is named twice around what is looked at later: of the two, one would be dropped in silence."""

    def once(pairs: list[tuple[str, object]]) -> None:
        if len(dict(pairs)) != len(pairs):
            raise failure("An object names one element twice.")

    try:
        json.loads(around.replace(inside, b"0", 1) if inside else around, object_pairs_hook=once, parse_int=str)
    except RecursionError:
        raise failure from None


def _decoded(decode: Callable[[bytes], Read], raw: bytes, failure: type[Invalid]) -> Read:
    try:
        return decode(raw)
    except msgspec.MsgspecError as wrong:
        raise failure(f"{wrong}."[:120]) from None
    except (RecursionError, UnicodeDecodeError):
        raise failure from None
