"""Who is registered, by keyed hashes of identifiers; nothing is ever taken out."""

from kernel import idempotency
from kernel.database import execute_script

revision = "patients_0001"
down_revision = None

TABLES = """
create table patients.identity (
  system text collate "C" not null, hash bytea not null, patient text collate "C" not null,
  primary key (system, hash));
create index on patients.identity (patient);
"""

GRANTS = """
grant select, insert on patients.identity to patients;
grant select, insert, update, delete on patients.idempotency to patients;
"""


def upgrade() -> None:
    execute_script(TABLES + idempotency.table("patients") + GRANTS)


def downgrade() -> None:
    raise RuntimeError("Patients are not forgotten.")
