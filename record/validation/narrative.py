"""The human-readable text of a resource: plain formatting only, nothing that runs or calls out.

https://hl7.org/fhir/R4/narrative.html (txt-1, txt-2)
"""

from html.entities import entitydefs
from xml.parsers import expat

ELEMENT_NAMES = (
    "a abbr acronym address b bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em font "
    "h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th "
    "thead tr tt u ul var"
)
ATTRIBUTE_NAMES = (
    "abbr accept-charset accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char "
    "charoff charset cite class clear color colspan compact coords datetime dir frame headers height href hreflang "
    "hspace id lang longdesc name noshade nowrap rel rev rowspan rules scope shape size span src start style summary "
    "tabindex title type valign value vspace width xml:lang xmlns"
)
ELEMENTS = frozenset(ELEMENT_NAMES.split())
ATTRIBUTES = frozenset(ATTRIBUTE_NAMES.split())
LINKS = ("http:", "https:", "mailto:", "tel:", "data:image/", "#", "/", "urn:")
XHTML = "http://www.w3.org/1999/xhtml"


class _NotPlain(Exception):
    """The text does more than format, or is not well-formed."""


class _Reader:
    """Reads the text once, as strictly as XML is read, and stops where something is out of order."""

    def __init__(self) -> None:
        self._depth = 0
        self._says_something = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.CommentHandler = self._comment
        self._parser.SkippedEntityHandler = self._entity
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.ProcessingInstructionHandler = self._refuse
        self._parser.StartCdataSectionHandler = self._refuse
        self._parser.XmlDeclHandler = self._refuse
        # With a DTD it might have, the entities HTML names are skipped instead of being errors; nothing is fetched.
        self._parser.UseForeignDTD(True)
        self._parser.ExternalEntityRefHandler = lambda *_: 1

    def read(self, div: str) -> bool:
        self._parser.Parse(div, True)
        return self._says_something

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and (tag != "div" or attributes.get("xmlns") != XHTML):
            raise _NotPlain
        if tag not in ELEMENTS or not all(_allowed(name, value) for name, value in attributes.items()):
            raise _NotPlain
        self._depth += 1
        self._says_something |= tag == "img"

    def _end(self, tag: str) -> None:
        self._depth -= 1

    def _text(self, text: str) -> None:
        self._says_something = self._says_something or not text.isspace()

    def _comment(self, text: str) -> None:
        # A browser ends such a comment at once, and would run what follows.
        if text.startswith((">", "->")):
            raise _NotPlain

    def _entity(self, name: str, parameter: bool) -> None:
        if parameter or name not in entitydefs:
            raise _NotPlain
        self._says_something = True

    def _refuse(self, *_: object) -> None:
        raise _NotPlain


def _allowed(name: str, value: str) -> bool:
    if name not in ATTRIBUTES:
        return False
    if name in {"href", "src", "cite", "longdesc"}:
        start = "".join(value.split()).casefold()
        return start.startswith(LINKS) or ":" not in start.partition("/")[0]
    # A style may not fetch: it would tell a stranger who reads the record.
    return name != "style" or not any(word in value.casefold() for word in ("url(", "expression(", "@import"))


def is_plain(div: str) -> bool:
    """Whether a `div` is well-formed, says something, and formats only."""
    try:
        return _Reader().read(div)
    except (_NotPlain, expat.ExpatError, ValueError):
        return False
