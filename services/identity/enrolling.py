"""A doctor or pharmacist enrols the key that signs for them alone (RX-16, SIG-01); its private part stays theirs."""

import re
from datetime import datetime
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import RowMapping

from kernel.auth.principal import Principal
from kernel.database import Transaction
from services.identity import store
from services.identity.failures import KeyTaken, KeyUnknown, KeyUnreadable, NotYourKey

THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 in base64url, as RFC 7638 names a key."""


async def enrol(tx: Transaction, jwk: Any, *, by: Principal, now: datetime) -> dict[str, Any]:
    """Enrol a public key under its thumbprint (RFC 7638); enrolling it again changes nothing."""
    public = _public(jwk)
    kid = public.thumbprint()
    text = orjson.dumps(public.as_dict(private=False)).decode()
    owner = await store.put_key(tx, kid=kid, login=by.account, holder=by.fhir_user, jwk=text, now=now)
    if owner != by.account:
        raise KeyTaken
    return await shown(tx, kid)


async def shown(tx: Transaction, kid: str) -> dict[str, Any]:
    """A key as anyone who verifies a signature needs it. Raises KeyUnknown."""
    row = await _known(tx, kid)
    return {
        "kid": row["kid"],
        "jwk": orjson.loads(row["jwk"]),
        "holder": row["holder"],
        "enrolledAt": row["enrolled_at"].isoformat(),
        "revokedAt": row["revoked_at"].isoformat() if row["revoked_at"] else None,
    }


async def revoke(tx: Transaction, kid: str, *, by: Principal, now: datetime) -> None:
    """End a key: what it signed before stays signed, nothing more may be."""
    row = await _known(tx, kid)
    if row["login"] != by.account:
        raise NotYourKey
    await store.revoke_key(tx, kid, now=now)


async def _known(tx: Transaction, kid: str) -> RowMapping:
    row = await store.key(tx, kid) if THUMBPRINT.fullmatch(kid) else None
    if row is None:
        raise KeyUnknown
    return row


def _public(jwk: Any) -> ECKey:
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise KeyUnreadable
    try:
        return ECKey.import_key({name: str(jwk[name]) for name in ("kty", "crv", "x", "y")})
    except (JoseError, KeyError, ValueError) as wrong:
        raise KeyUnreadable from wrong
