"""Page links: the search and where it stands, sealed, so that no search value stands in an address or a log.

AES-256-GCM (NIST SP 800-38D); a link works for the account it was given to.
"""

import base64
import hashlib
import hmac
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from record.failures import PageUnreadable
from record.search.pages import Position
from record.search.sorting import SortValue

NONCE = 12
LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Sought:
    """A search and the place in it where the next page begins."""

    query: tuple[tuple[str, str], ...]
    after: Position | None
    lenient: bool = False


class Cursors:
    """Seals and opens page links with a key of the house."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"page links\0" + secret.encode()).digest())
        self._digest_key = hashlib.sha256(b"query digests\0" + secret.encode()).digest()

    def seal(self, sought: Sought, *, place: str, account: str) -> str:
        """The text of a page link for this place, such as `Appointment`, and account."""
        after = [[*map(_written, sought.after.values)], sought.after.id] if sought.after else None
        content = zlib.compress(orjson.dumps([sought.query, after, sought.lenient]))
        nonce = os.urandom(NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, content, _bound(place, account))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, *, place: str, account: str) -> Sought:
        """What a page link says. Raises PageUnreadable."""
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            content = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], _bound(place, account))
            query, after, lenient = orjson.loads(zlib.decompressobj().decompress(content, LARGEST))
        except (ValueError, InvalidTag, zlib.error) as wrong:
            raise PageUnreadable from wrong
        position = Position(tuple(_read(*value) for value in after[0]), after[1]) if after else None
        return Sought(tuple((name, value) for name, value in query), position, lenient)

    def digest(self, place: str, query: Sequence[tuple[str, str]]) -> bytes:
        """A keyed digest of a search: equal searches can be told to be equal, and nothing else be told."""
        content = orjson.dumps([place, sorted(query)])
        return hmac.new(self._digest_key, content, hashlib.sha256).digest()


def _written(value: SortValue) -> tuple[str, str]:
    match value:
        case None:
            return "none", ""
        case datetime():
            return "time", value.isoformat()
        case Decimal():
            return "number", str(value)
        case str():
            return "text", value


def _read(kind: str, text: str) -> SortValue:
    match kind:
        case "none":
            return None
        case "time":
            return datetime.fromisoformat(text)
        case "number":
            return Decimal(text)
    return text


def _bound(place: str, account: str) -> bytes:
    return f"{place}\0{account}".encode()
