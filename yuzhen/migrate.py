"""Bring the database to what the code expects: roles and schemas, then the record, then each room's own tables.

One chain of Alembic revisions per schema. A revision's file name says when it runs: `pre_` before the new code is
rolled out, `post_` after the old is gone.
"""

from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from kernel.database import Database
from kernel.settings import Settings
from record import reindex
from record.ownership import home
from record.schema import IMPORT
from yuzhen import secret
from yuzhen.embedded import ADMIN
from yuzhen.rooms import ROLES, ROOT, SERVICES, migrations

OWNER = "yuzhen_owner"
LOCK_TIMEOUT = "5s"


async def migrate(settings: Settings) -> None:
    """Make or change everything; runs again without effect, and after having died at any line."""
    await _roles_and_schemas(settings)
    url = owner_url(settings)
    await upgrade(url, folder=ROOT / "kernel" / "migrations", schema="flow")
    await upgrade(url, folder=ROOT / "record" / "migrations", schema="record")
    for room in SERVICES:
        if migrations(room).is_dir():
            await upgrade(url, folder=migrations(room), schema=room)
    await index(url)


async def index(url: str) -> None:
    """Make index rows anew where a type's search parameters have changed; may die and go on at any line."""
    database = Database(url, room=OWNER, size=1)
    try:
        async with database.reading() as tx:
            unfinished = await reindex.unfinished(tx.raw)
        for rules, begun in unfinished:
            after: str | None = begun
            while after is not None:
                async with database.transaction() as tx:
                    after = await reindex.go_on(tx.raw, rules, after)
    finally:
        await database.close()


def owner_url(settings: Settings) -> str:
    """The address of the role that owns all tables; used by migrations and by nothing else."""
    return settings.database_url(OWNER)


def _admin_dsn(settings: Settings, database: str) -> str:
    if settings.database == "embedded":
        password = secret.ensure(settings.secrets, "db-admin")
        return f"postgresql://{ADMIN}:{password}@/{database}?host={settings.runtime / 'pg'}"
    place, _, name = settings.database_admin.rpartition("/")
    return f"{place}/{database if database == 'postgres' else name}"


async def _roles_and_schemas(settings: Settings) -> None:
    name = "yuzhen" if settings.database == "embedded" else settings.database.rpartition("/")[2]
    admin = await asyncpg.connect(_admin_dsn(settings, "postgres"))
    try:
        for role in (OWNER, *ROLES):
            password = secret.ensure(settings.secrets, f"db-{role}")
            # Without inheritance: what a room may do as a patient's reader, or as the import, it must ask for by name.
            await _ensure_role(admin, role, f"login noinherit password '{password}'")
        # The record asks which transactions are still open, whosever they are (record/settling.py).
        await admin.execute(f'alter role "{OWNER}" inherit; grant pg_read_all_stats to "{OWNER}"')
        await _ensure_role(admin, IMPORT, "nologin")
        await admin.execute(f'grant "{IMPORT}" to "{home()}"')
        for service in SERVICES:
            await _ensure_role(admin, f"{service}_patient", "nologin")
            await admin.execute(f'grant "{service}_patient" to "{service}"')
        if not await admin.fetchval("select true from pg_database where datname = $1", name):
            await admin.execute(f'create database "{name}" owner "{OWNER}"')
        await admin.execute(f'revoke all on database "{name}" from public')
        for role in ROLES:
            await admin.execute(f'grant connect on database "{name}" to "{role}"')
    finally:
        await admin.close()
    inside = await asyncpg.connect(_admin_dsn(settings, name))
    try:
        await inside.execute("revoke all on schema public from public")
        for extension in ("btree_gist", "pg_trgm"):
            await inside.execute(f"create extension if not exists {extension} schema pg_catalog")
        for schema in ("flow", "record", *SERVICES):
            await inside.execute(f'create schema if not exists {schema} authorization "{OWNER}"')
        for room in SERVICES:
            await inside.execute(f'grant usage on schema {room} to "{room}"')
    finally:
        await inside.close()


async def _ensure_role(admin: "asyncpg.Connection[asyncpg.Record]", role: str, options: str) -> None:
    verb = "alter" if await admin.fetchval("select true from pg_roles where rolname = $1", role) else "create"
    await admin.execute(f'{verb} role "{role}" {options}')


async def upgrade(url: str, *, folder: Path, schema: str) -> None:
    """Bring one schema to its newest revision. Runs again without effect."""
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, folder, schema)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, folder: Path, schema: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=lambda revision, _: script._upgrade_revs("head", revision)) as env:
        env.configure(connection=connection, version_table_schema=schema, transaction_per_migration=True)
        with env.begin_transaction():
            connection.exec_driver_sql(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
            env.run_migrations()
        connection.commit()  # rule: commit-at-the-edge because a migration is an edge of its own
