"""Text made comparable: case, accents, width and spacing do not count (https://hl7.org/fhir/R4/search.html#string)."""

import unicodedata
from collections.abc import Iterator
from typing import Any

NAME_PARTS = ("text", "family", "given", "prefix", "suffix")
ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")
LONGEST = 400


def plain(text: str) -> str:
    """A text as it is compared; at most 400 characters."""
    if text.isascii():
        return " ".join(text.lower().split())[:LONGEST]
    split = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in split if not unicodedata.combining(letter)).casefold()
    return unicodedata.normalize("NFC", " ".join(letters.split()))[:LONGEST]


def of(value: Any, type_: str) -> Iterator[str]:
    """The texts inside an element, as written."""
    match type_:
        case "HumanName":
            yield from _parts(value, NAME_PARTS)
        case "Address":
            yield from _parts(value, ADDRESS_PARTS)
        case "CodeableConcept":
            yield from _parts(value, ("text",))
            for coding in value.get("coding", ()):
                yield from _parts(coding, ("display",))
        case "Coding":
            yield from _parts(value, ("display",))
        case _ if isinstance(value, str):
            yield value


def _parts(value: dict[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        part = value.get(name)
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            yield from (text for text in part if isinstance(text, str))
