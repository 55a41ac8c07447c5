"""The patient's pick-up code and the pharmacy's claim secret: derived from the order, so that no row has to hold them.

Both are HMAC-SHA-256 (RFC 2104) under a key only this room has: 256 bits, 43 characters of base64url. A new release
gives a new code, and the old one opens nothing any more.
"""

import base64
import hashlib
import hmac


def code(key: bytes, *, order: str, releases: int) -> str:
    """What the patient shows to the chosen pharmacy."""
    return _derived(key, "code", order, str(releases))


def secret(key: bytes, *, order: str, releases: int, pharmacy: str) -> str:
    """What the pharmacy that claimed the order sends with every further step."""
    return _derived(key, "secret", order, str(releases), pharmacy)


def matches(given: str, expected: str) -> bool:
    """Whether both are the same, in a time that tells nothing about where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _derived(key: bytes, *parts: str) -> str:
    digest = hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
