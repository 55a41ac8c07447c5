"""The record tells up to which instant its history is complete."""

from kernel.database import execute_script
from record.schema import ddl

revision = "record_0003"
down_revision = "record_0002"


def upgrade() -> None:
    execute_script(ddl())


def downgrade() -> None:
    raise RuntimeError("The hospital record is not undone by a migration.")
