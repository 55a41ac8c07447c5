"""The record's tables, partitions, grants and policies."""

from kernel.database import execute_script
from record.schema import ddl

revision = "record_0001"
down_revision = None


def upgrade() -> None:
    execute_script(ddl())


def downgrade() -> None:
    raise RuntimeError("The hospital record is not undone by a migration.")
