"""A person signs in with account name and password, and the application gets its tokens (RFC 6749, RFC 7636)."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kernel.database import Transaction
from services.identity import store
from services.identity.account import (
    CODE_LIFE,
    FAILURES_ALLOWED,
    LOCKED_FOR,
    REFRESH_LIFE,
    Account,
    Request,
    digest,
    proves,
)
from services.identity.failures import AccountLocked, GrantSpent, PasswordWrong

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
NOBODY = HASHER.hash("nobody has this password")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose tokens to issue, and the refresh token that goes with them."""

    account: Account
    refresh_token: str


async def checked(
    tx: Transaction, login: str, password: str, *, now: datetime
) -> Account | PasswordWrong | AccountLocked:
    """The account, if the password is its own; else the refusal, returned so that the failed try is counted."""
    account = await store.account(tx, login, lock=True)
    if account and account.locked(now):
        return AccountLocked()
    # An unknown name costs as much time as a wrong password.
    right = await asyncio.to_thread(_matches, account.password_hash if account else NOBODY, password)
    if account is None:
        return PasswordWrong()
    if not right:
        failures = account.failures + 1
        locked = failures >= FAILURES_ALLOWED
        await store.note_failures(
            tx, login, failures=0 if locked else failures, locked_until=now + LOCKED_FOR if locked else None
        )
        return PasswordWrong()
    if account.failures or account.locked_until:
        await store.note_failures(tx, login, failures=0, locked_until=None)
    return account


async def grant(tx: Transaction, account: Account, request: Request, *, now: datetime) -> str:
    """A one-time code that the application turns into tokens."""
    code = secrets.token_urlsafe(32)
    await store.put_code(tx, digest(code), account.login, request, expires_at=now + CODE_LIFE)
    return code


async def redeem(
    tx: Transaction, *, code: str, client_id: str, redirect_uri: str, verifier: str, family: str, now: datetime
) -> SignedIn | GrantSpent:
    """Turn a code into a sign-in. A refusal is returned, not raised, so that the code is spent all the same."""
    row = await store.take_code(tx, digest(code))
    right = (
        row is not None
        and row["expires_at"] > now
        and row["client_id"] == client_id
        and row["redirect_uri"] == redirect_uri
        and proves(verifier, row["challenge"])
    )
    if row is None or not right:
        return GrantSpent()
    return await _signed_in(tx, row["login"], family=family, now=now)


async def refresh(tx: Transaction, *, token: str, now: datetime) -> SignedIn | GrantSpent:
    """New tokens for old. A token used twice ends the whole sign-in, since one of the two users is a thief."""
    row = await store.refresh_token(tx, digest(token))
    if row is None or row["expires_at"] <= now:
        return GrantSpent()
    if row["used_at"] is not None:
        await store.drop_family(tx, row["family"])
        return GrantSpent()
    await store.use_refresh(tx, digest(token), now=now)
    return await _signed_in(tx, row["login"], family=row["family"], now=now)


async def _signed_in(tx: Transaction, login: str, *, family: str, now: datetime) -> SignedIn:
    account = await store.account(tx, login)
    if account is None:
        raise GrantSpent
    token = secrets.token_urlsafe(32)
    await store.put_refresh(tx, digest(token), login, family=family, expires_at=now + REFRESH_LIFE)
    return SignedIn(account, token)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
