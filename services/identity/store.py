"""Identity's private tables as rows and accounts."""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    Table,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from kernel.database import Transaction
from services.identity.account import Account, Request

metadata = MetaData(schema="identity")

accounts = Table(
    "account",
    metadata,
    Column("login", Text, primary_key=True),
    Column("password_hash", Text),
    Column("role", Text),
    Column("fhir_user", Text),
    Column("clinics", ARRAY(Text)),
    Column("organization", Text),
    Column("display", Text),
    Column("failures", Integer),
    Column("locked_until", DateTime(timezone=True)),
)
codes = Table(
    "grant_code",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("login", Text),
    Column("client_id", Text),
    Column("redirect_uri", Text),
    Column("challenge", Text),
    Column("expires_at", DateTime(timezone=True)),
)
refresh_tokens = Table(
    "refresh_token",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("login", Text),
    Column("family", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("used_at", DateTime(timezone=True)),
)
signing_keys = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("login", Text),
    Column("holder", Text),
    Column("jwk", Text),
    Column("enrolled_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
)


async def account(tx: Transaction, login: str, *, lock: bool = False) -> Account | None:
    """An account by its name, locked for change if asked."""
    question = select(accounts).where(accounts.c.login == login)
    row = (await tx.sql.execute(question.with_for_update() if lock else question)).mappings().first()
    return Account(**{**row, "clinics": tuple(row["clinics"])}) if row else None


async def put_account(tx: Transaction, one: Account) -> None:
    """Write an account, new or changed."""
    row = {name: getattr(one, name) for name in Account.__dataclass_fields__}
    row["clinics"] = list(one.clinics)
    changed = {name: value for name, value in row.items() if name != "login"}
    await tx.sql.execute(
        insert(accounts).values(**row).on_conflict_do_update(index_elements=[accounts.c.login], set_=changed)
    )


async def note_failures(tx: Transaction, login: str, *, failures: int, locked_until: datetime | None) -> None:
    """Count wrong passwords, or forget them."""
    await tx.sql.execute(
        update(accounts).where(accounts.c.login == login).values(failures=failures, locked_until=locked_until)
    )


async def put_code(tx: Transaction, code_hash: bytes, login: str, request: Request, *, expires_at: datetime) -> None:
    """Keep a grant under way."""
    await tx.sql.execute(
        insert(codes).values(
            code_hash=code_hash,
            login=login,
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            expires_at=expires_at,
        )
    )


async def take_code(tx: Transaction, code_hash: bytes) -> RowMapping | None:
    """Take a grant out: it can be used once."""
    taken = delete(codes).where(codes.c.code_hash == code_hash).returning(*codes.c)
    return (await tx.sql.execute(taken)).mappings().first()


async def put_refresh(tx: Transaction, token_hash: bytes, login: str, *, family: str, expires_at: datetime) -> None:
    """Keep a refresh token of a sign-in (its family)."""
    await tx.sql.execute(
        insert(refresh_tokens).values(token_hash=token_hash, login=login, family=family, expires_at=expires_at)
    )


async def refresh_token(tx: Transaction, token_hash: bytes) -> RowMapping | None:
    """A refresh token, locked so that it is used once."""
    found = select(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash).with_for_update()
    return (await tx.sql.execute(found)).mappings().first()


async def use_refresh(tx: Transaction, token_hash: bytes, *, now: datetime) -> None:
    """Mark a refresh token as used."""
    await tx.sql.execute(update(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash).values(used_at=now))


async def drop_family(tx: Transaction, family: str) -> None:
    """End a whole sign-in, when one of its tokens was used twice or the person signs out."""
    await tx.sql.execute(delete(refresh_tokens).where(refresh_tokens.c.family == family))


async def drop_expired(tx: Transaction, *, now: datetime) -> None:
    """Forget grants and refresh tokens nobody can use any more."""
    await tx.sql.execute(delete(codes).where(codes.c.expires_at < now))
    await tx.sql.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < now))


async def put_key(tx: Transaction, *, kid: str, login: str, holder: str, jwk: str, now: datetime) -> str:
    """Enrol a signing key; returns the login it belongs to, which may be another's."""
    fresh = insert(signing_keys).values(kid=kid, login=login, holder=holder, jwk=jwk, enrolled_at=now)
    await tx.sql.execute(fresh.on_conflict_do_nothing())
    owner = await tx.sql.execute(select(signing_keys.c.login).where(signing_keys.c.kid == kid))
    return str(owner.scalar_one())


async def key(tx: Transaction, kid: str) -> RowMapping | None:
    """A signing key by its thumbprint."""
    return (await tx.sql.execute(select(signing_keys).where(signing_keys.c.kid == kid))).mappings().first()


async def revoke_key(tx: Transaction, kid: str, *, now: datetime) -> None:
    """From now on nothing may be signed with this key; the first revocation stands."""
    await tx.sql.execute(
        update(signing_keys)
        .where(signing_keys.c.kid == kid, signing_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
