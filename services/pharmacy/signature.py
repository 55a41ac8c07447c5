"""The doctor's signature: a detached JWS with ES256 over the prescription's exact bytes.

https://www.rfc-editor.org/rfc/rfc7515#appendix-F. The key is the one its holder enrolled with identity, asked for anew
at each signature, since it may have been revoked a moment ago.
"""

import binascii
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64decode

from kernel.clock import local
from kernel.settings import Settings
from services.pharmacy.failures import (
    KeyForeign,
    KeyNotEnrolled,
    KeyRevoked,
    KeysAway,
    SignatureUnreadable,
    SignatureWrong,
    SigningDayDiffers,
)
from services.pharmacy.store import Prepared

COMPACT = re.compile(r"[A-Za-z0-9_-]{1,1024}\.\.[A-Za-z0-9_-]{86}")
HEADER = frozenset({"alg", "kid", "iat"})
REGISTRY = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
"""`read` has already refused every header but ours; `iat` is no header the library knows."""
KID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Offered:
    """A signature as it was sent, with what its protected header claims."""

    text: str
    kid: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as identity knows it; `holder` is a reference such as `Practitioner/doctor-1`."""

    kid: str
    jwk: dict[str, Any]
    holder: str
    is_revoked: bool


FetchKey = Callable[[str], Awaitable[SigningKey | None]]
"""Asks identity for a key by its thumbprint; None when nobody enrolled it."""


def read(text: str) -> Offered:
    """A signature's claims, before anything is believed. Raises SignatureUnreadable."""
    if not COMPACT.fullmatch(text):
        raise SignatureUnreadable
    try:
        header = orjson.loads(urlsafe_b64decode(text.partition(".")[0].encode()))
    except (binascii.Error, ValueError) as wrong:
        raise SignatureUnreadable from wrong
    if not isinstance(header, dict) or set(header) != HEADER or header["alg"] != "ES256":
        raise SignatureUnreadable
    kid, issued = header["kid"], header["iat"]
    if not isinstance(kid, str) or not KID.fullmatch(kid) or type(issued) is not int or not 0 < issued < 1 << 33:
        raise SignatureUnreadable
    return Offered(text, kid, datetime.fromtimestamp(issued, UTC))


def check(offered: Offered, prepared: Prepared, key: SigningKey | None, *, now: datetime) -> None:
    """Believe a signature, or say why not.

    Raises KeyNotEnrolled, KeyForeign, KeyRevoked, SignatureWrong, SigningDayDiffers.
    """
    if key is None or key.kid != offered.kid:
        raise KeyNotEnrolled
    if key.holder != prepared.prescriber:
        raise KeyForeign
    if key.is_revoked:
        raise KeyRevoked
    if not _fits(offered.text, prepared.document, key):
        raise SignatureWrong
    day = local(prepared.authored_at).date()
    if local(offered.issued_at).date() != day or local(now).date() != day:
        raise SigningDayDiffers


def _fits(text: str, document: bytes, key: SigningKey) -> bool:
    try:
        public = ECKey.import_key(key.jwk)
        if public.thumbprint() != key.kid:
            return False
        jws.deserialize_compact(text, public, registry=REGISTRY, payload=document)
    except (JoseError, ValueError, KeyError, TypeError):
        return False
    return True


def from_identity(settings: Settings, authorization: str) -> FetchKey:
    """How a signing key is fetched: over the rooms' own network, in the name of the doctor who signs."""

    async def fetch(kid: str) -> SigningKey | None:
        base, socket = settings.room_address("identity")
        connector = aiohttp.UnixConnector(socket) if socket else None
        headers = {"Authorization": authorization}
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=3)) as http,
                http.get(f"{base}/identity/signing-keys/{kid}", headers=headers) as answer,
            ):
                if answer.status == 404:
                    return None
                answer.raise_for_status()
                return _known(orjson.loads(await answer.read()))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as away:
            raise KeysAway from away

    return fetch


def _known(answer: dict[str, Any]) -> SigningKey:
    return SigningKey(answer["kid"], answer["jwk"], answer["holder"], answer["revokedAt"] is not None)
