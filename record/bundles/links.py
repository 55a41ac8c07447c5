"""Links between the entries of a transaction become references; every other byte of a resource stays what it is.

A link is found by the type of its element: Reference.reference, elements of type uri, url, oid and uuid, and the
addresses of a narrative; a canonical is none (https://hl7.org/fhir/R4/http.html#trules).
"""

import re
from collections.abc import Callable

import msgspec

from record import definitions
from record.validation.parsing import DEEPEST, NAME_THEN_COLON, parsed

Swap = Callable[[str], str]
"""What a link becomes: itself, or the reference that takes its place."""

LINKS = frozenset({"uri", "url", "oid", "uuid"})
MAY_LINK = re.compile(rb"[?/\\]|\w:\w")
"""What stands in every link, be it `urn:uuid:..`, `https://..` or `Patient?..`, and in whatever is escaped."""
ADDRESS = re.compile(r"""(\b(?:href|src)\s{0,9}=\s{0,9})(["'])([^"'<>]*)\2""")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_written = msgspec.json.Encoder().encode


def relinked(resource: bytes, *, reference: Swap, link: Swap) -> bytes:
    """The resource with each Reference.reference passed through `reference` and every other link through `link`.

    A body that is no resource comes back as it is: whoever checks it says what is wrong. Raises ResourceInvalid for
    a name that stands twice, since of the two only one would come out.
    """
    try:
        after = _Walk(reference, link).node(resource, "Resource", 0)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return resource
    if after is not resource and len(NAME_THEN_COLON.findall(after)) != len(NAME_THEN_COLON.findall(resource)):
        parsed(resource)
    return after


class _Walk:
    """One walk over a resource's own bytes: only what holds a changed link is put together anew."""

    def __init__(self, reference: Swap, link: Swap) -> None:
        self._reference = reference
        self._link = link

    def node(self, raw: bytes, kind: str, depth: int) -> bytes:
        """A resource or complex element of this type."""
        if depth > DEEPEST or not MAY_LINK.search(raw):
            return raw
        members = _members(raw)
        if kind == "Resource":
            kind = _text(members["resourceType"]) if "resourceType" in members else ""
        changed = {}
        for name, value in members.items():
            old = bytes(value)
            new = self._value(old, _type_of(kind, name), depth + 1)
            if new is not old:
                changed[name] = msgspec.Raw(new)
        return _written(members | changed) if changed else raw

    def _value(self, raw: bytes, type_: str, depth: int) -> bytes:
        if not type_:
            return raw
        match raw[:1]:
            case b"[":
                return self._list(raw, type_, depth)
            case b"{":
                return self.node(raw, type_, depth)
            case b'"':
                return self._string(raw, type_)
        return raw

    def _list(self, raw: bytes, type_: str, depth: int) -> bytes:
        if not MAY_LINK.search(raw):
            return raw
        olds = [bytes(item) for item in _items(raw)]
        news = [self._value(old, type_, depth) for old in olds]
        if all(new is old for new, old in zip(news, olds, strict=True)):
            return raw
        return b"[" + b",".join(news) + b"]"

    def _string(self, raw: bytes, type_: str) -> bytes:
        if type_ == "Reference.reference":
            return _swapped(raw, self._reference)
        if type_ in LINKS:
            return _swapped(raw, self._link)
        return _swapped(raw, self._narrative) if type_ == "xhtml" else raw

    def _narrative(self, div: str) -> str:
        return ADDRESS.sub(lambda found: f"{found[1]}{found[2]}{self._link(found[3])}{found[2]}", div)


def _type_of(kind: str, name: str) -> str:
    """The type of an element, empty where it is none of FHIR's."""
    if kind == "Reference" and name == "reference":
        return "Reference.reference"
    if kind == "Element":
        return "Extension" if name == "extension" else ""
    element = definitions.elements().get(kind, {}).get(name.removeprefix("_"))
    if element is None:
        return ""
    return "Element" if name.startswith("_") else str(element["type"])


def _swapped(raw: bytes, swap: Swap) -> bytes:
    old = _text(raw)
    new = swap(old)
    return raw if new == old else _written(new)
