"""A command sent twice with one Idempotency-Key takes effect once, and answers the same both times.

The key belongs to the caller and the route. The answer is stored in the transaction of the effect: neither exists
without the other. A refused command stores nothing, since it changed nothing. Rules as published by Stripe.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import orjson

from kernel.database import Transaction
from kernel.failures import Invalid, Rule

LONGEST_KEY = 255


class KeyUnusable(Invalid):
    """The Idempotency-Key must have 1 to 255 printable ASCII characters. Send a fresh random one per command."""

    code = "idempotency-key-unusable"


class KeyReused(Rule):
    """This Idempotency-Key was used before with a different request. Use a new key for a new command."""

    code = "idempotency-key-reused"


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given the first time."""

    status: int
    headers: dict[str, str]
    body: bytes


def table(schema: str) -> str:
    """The DDL of a room's own table of answered commands."""
    return f"""
    create table {schema}.idempotency (
      account text not null, route text not null, key text not null, request bytea not null,
      status int, headers text, body bytea, created_at timestamptz not null,
      primary key (account, route, key));
    create index on {schema}.idempotency (created_at);
    """


async def begin(tx: Transaction, *, account: str, route: str, key: str, body: bytes, now: datetime) -> Kept | None:
    """Take the key for this command, or return the answer it already has. Waits for a twin that is under way."""
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise KeyUnusable
    request = hashlib.sha256(body).digest()
    fresh = await tx.raw.fetchval(
        f"insert into {tx.room}.idempotency (account, route, key, request, created_at) values ($1, $2, $3, $4, $5)"  # noqa: S608 - the room's own name
        " on conflict do nothing returning true",
        *(account, route, key, request, now),
    )
    if fresh:
        return None
    row = await tx.raw.fetchrow(
        f"select request, status, headers, body from {tx.room}.idempotency"  # noqa: S608 - the room's own name
        " where account = $1 and route = $2 and key = $3",
        *(account, route, key),
    )
    if row is None or row["request"] != request:
        raise KeyReused
    return Kept(row["status"], orjson.loads(row["headers"]), row["body"])


async def keep(tx: Transaction, kept: Kept, *, account: str, route: str, key: str) -> None:
    """Store the answer beside its effect."""
    await tx.raw.execute(
        f"update {tx.room}.idempotency set status = $4, headers = $5, body = $6"  # noqa: S608 - the room's own name
        " where account = $1 and route = $2 and key = $3",
        *(account, route, key, kept.status, orjson.dumps(kept.headers).decode(), kept.body),
    )


async def forget(tx: Transaction, *, before: datetime) -> None:
    """Drop answers older than `before` (a day at least)."""
    await tx.raw.execute(f"delete from {tx.room}.idempotency where created_at < $1", before)  # noqa: S608
