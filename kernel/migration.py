"""Schema changes, one chain of Alembic revisions per room, each in the room's own schema and transaction.

A revision's file name says when it runs: `pre_` before the new code is rolled out, `post_` after the old is gone.
"""

from pathlib import Path

from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

LOCK_TIMEOUT = "5s"


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


def execute_script(sql: str) -> None:
    """Run a script of several statements in the migration's transaction."""
    adapted = op.get_bind().connection.dbapi_connection
    op.get_bind().exec_driver_sql("select 1")  # opens the transaction the script must stand in
    adapted.run_async(lambda driver: driver.execute(sql))  # type: ignore[union-attr]
