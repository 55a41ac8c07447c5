"""What the consult room keeps for itself: answers to commands. Its visits and messages are in the record."""

from kernel import idempotency
from kernel.database import execute_script

revision = "consult_0001"
down_revision = None

GRANTS = """
grant select, insert, update, delete on all tables in schema consult to consult;
"""


def upgrade() -> None:
    execute_script(idempotency.table("consult") + GRANTS)


def downgrade() -> None:
    raise RuntimeError("Answers already given are not forgotten.")
