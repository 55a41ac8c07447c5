"""The human-readable text of a resource: plain formatting only, nothing that runs or calls out.

https://hl7.org/fhir/R4/narrative.html (txt-1, txt-2)
"""

from html.parser import HTMLParser

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
EMPTY = frozenset({"br", "col", "hr", "img"})
LINKS = ("http:", "https:", "mailto:", "tel:", "data:image/", "#", "/", "urn:")
XHTML = "http://www.w3.org/1999/xhtml"


class _Reader(HTMLParser):
    """Reads the text once and remembers whether anything was out of order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sound = True
        self.says_something = False
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._open:
            self.sound &= tag == "div" and dict(attrs).get("xmlns") == XHTML and not self.says_something
        self.sound &= tag in ELEMENTS and all(_allowed(name, value or "") for name, value in attrs)
        self.says_something |= tag == "img"
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in EMPTY:
            return
        self.sound &= bool(self._open) and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.sound &= bool(self._open)
            self.says_something = True

    def handle_decl(self, decl: str) -> None:
        self.sound = False

    def handle_pi(self, data: str) -> None:
        self.sound = False

    def unknown_decl(self, data: str) -> None:
        self.sound = False

    def finished(self) -> bool:
        return self.sound and self.says_something and not self._open


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
    reader = _Reader()
    reader.feed(div)
    reader.close()
    return reader.finished()
