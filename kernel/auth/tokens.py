"""Access tokens: signed by identity with ES256, verified by every room from the published keys (RFC 7519, RFC 7517)."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from kernel.auth.principal import Principal, Role
from kernel.clock import Clock
from kernel.failures import Busy, NotSignedIn

AUDIENCE = "yuzhen"
CACHED = 4096
REFETCH_AFTER = 5.0

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]


class TokenMissing(NotSignedIn):
    """Sign in first: this request carries no access token."""

    code = "token-missing"


class TokenWrong(NotSignedIn):
    """Sign in again: this access token was not issued here or has been altered."""

    code = "token-wrong"


class TokenExpired(NotSignedIn):
    """Sign in again: your access token has expired."""

    code = "token-expired"


class IdentityAway(Busy):
    """Sign-in cannot be checked just now. Nothing was lost; try again in a moment."""

    code = "identity-away"


class Verifier:
    """Checks tokens with identity's public keys; a verified token is remembered by its text until it expires."""

    def __init__(self, fetch: FetchKeys, *, issuer: str, clock: Clock) -> None:
        self._fetch = fetch
        self._issuer = issuer
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._seen: OrderedDict[str, Principal] = OrderedDict()

    async def principal(self, authorization: str | None) -> Principal:
        """Who is behind an Authorization header. Raises TokenMissing, TokenWrong, TokenExpired, IdentityAway."""
        if not authorization:
            raise TokenMissing
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing
        return await self.verify(token.strip())

    async def verify(self, token: str) -> Principal:
        """Who is behind a token."""
        known = self._seen.get(token)
        if known is None:
            known = await self._check(token)
            self._seen[token] = known
            if len(self._seen) > CACHED:
                self._seen.popitem(last=False)
        if known.expires_at <= self._clock.now():
            self._seen.pop(token, None)
            raise TokenExpired
        return known

    async def _check(self, token: str) -> Principal:
        if len(token) > 8192:
            raise TokenWrong
        keys = self._keys or await self._refresh()
        try:
            claims = jwt.decode(token, keys, algorithms=["ES256"]).claims
        except (JoseError, ValueError, KeyError, TypeError):
            if time.monotonic() - self._fetched_at < REFETCH_AFTER:
                raise TokenWrong from None
            try:
                claims = jwt.decode(token, await self._refresh(), algorithms=["ES256"]).claims
            except (JoseError, ValueError, KeyError, TypeError):
                raise TokenWrong from None
        return _principal(claims, issuer=self._issuer)

    async def _refresh(self) -> KeySet:
        try:
            keys = KeySet.import_key_set(await self._fetch())  # type: ignore[arg-type]
        except (OSError, TimeoutError, ValueError) as away:
            raise IdentityAway from away
        self._keys, self._fetched_at = keys, time.monotonic()
        return keys


def _principal(claims: dict[str, Any], *, issuer: str) -> Principal:
    try:
        if claims["iss"] != issuer or claims["aud"] != AUDIENCE:
            raise TokenWrong
        return Principal(
            account=str(claims["sub"]),
            role=Role(claims["role"]),
            fhir_user=str(claims.get("fhirUser", "")),
            clinics=tuple(str(clinic) for clinic in claims.get("clinics", ())),
            organization=str(claims.get("organization", "")),
            token_id=str(claims["jti"]),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
        )
    except (KeyError, ValueError, TypeError, OverflowError, OSError) as wrong:
        raise TokenWrong from wrong


def issue(principal: Principal, *, key: ECKey, issuer: str, issued_at: datetime) -> str:
    """An access token that says who the principal is; signed with identity's key."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": principal.account,
        "role": principal.role.value,
        "fhirUser": principal.fhir_user,
        "clinics": list(principal.clinics),
        "organization": principal.organization,
        "jti": principal.token_id,
        "iat": int(issued_at.timestamp()),
        "exp": int(principal.expires_at.timestamp()),
    }
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": key.kid}, claims, key, algorithms=["ES256"])
