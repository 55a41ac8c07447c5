"""Accounts, grants under way, refresh tokens and enrolled signing keys."""

from kernel import idempotency
from kernel.database import execute_script

revision = "identity_0001"
down_revision = None

TABLES = """
create table identity.account (
  login text collate "C" primary key, password_hash text not null, role text not null, fhir_user text not null,
  clinics text[] not null, organization text not null, display text not null,
  failures int not null default 0, locked_until timestamptz);
create table identity.grant_code (
  code_hash bytea primary key, login text collate "C" not null references identity.account, client_id text not null,
  redirect_uri text not null, challenge text not null, expires_at timestamptz not null);
create table identity.refresh_token (
  token_hash bytea primary key, login text collate "C" not null references identity.account, family text not null,
  expires_at timestamptz not null, used_at timestamptz);
create index on identity.refresh_token (family);
create table identity.signing_key (
  kid text primary key, login text collate "C" not null references identity.account, holder text not null,
  jwk text not null, enrolled_at timestamptz not null, revoked_at timestamptz);
"""

GRANTS = """
grant select, insert, update, delete on all tables in schema identity to identity;
"""


def upgrade() -> None:
    execute_script(TABLES + idempotency.table("identity") + GRANTS)


def downgrade() -> None:
    raise RuntimeError("Accounts are not thrown away.")
