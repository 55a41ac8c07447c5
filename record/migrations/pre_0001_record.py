"""The record begins. What it holds is made by the newest revision alone, which converges whatever it finds."""

revision = "record_0001"
down_revision = None


def upgrade() -> None:
    """Nothing to do: the tables are a later revision's."""


def downgrade() -> None:
    raise RuntimeError("The hospital record is not undone by a migration.")
