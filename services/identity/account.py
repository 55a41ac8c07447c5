"""Accounts, and what a grant under way must fulfil (RFC 6749, RFC 7636)."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

CODE_LIFE: Final = timedelta(minutes=2)
TOKEN_LIFE: Final = timedelta(minutes=30)
REFRESH_LIFE: Final = timedelta(hours=12)
FAILURES_ALLOWED: Final = 8
LOCKED_FOR: Final = timedelta(minutes=5)
WEB_CLIENT: Final = "yuzhen-web"


@dataclass(frozen=True, slots=True)
class Account:
    """A person's or system's account."""

    login: str
    password_hash: str
    role: str
    fhir_user: str
    clinics: tuple[str, ...]
    organization: str
    display: str
    failures: int = 0
    locked_until: datetime | None = None

    def locked(self, now: datetime) -> bool:
        """Whether too many wrong passwords closed it for a while."""
        return self.locked_until is not None and now < self.locked_until


@dataclass(frozen=True, slots=True)
class Request:
    """What an application asks for when it sends a person to sign in."""

    client_id: str
    redirect_uri: str
    state: str
    challenge: str

    def allowed(self, origin: str) -> bool:
        """Only our own web client, and only back to the address it came from."""
        return self.client_id == WEB_CLIENT and self.redirect_uri == f"{origin}/"


def digest(secret: str) -> bytes:
    """What is stored of a code or token: never the thing itself."""
    return hashlib.sha256(secret.encode()).digest()


def proves(verifier: str, challenge: str) -> bool:
    """Whether a PKCE verifier belongs to the challenge (RFC 7636, S256)."""
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(made, challenge)
