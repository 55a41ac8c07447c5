"""Every type of the record, and index rows by place: numbers too, and the code each value is told with.

The older index rows name a parameter instead of a place; they are computed anew afterwards (record.reindex).
"""

from kernel.database import execute_script
from record.schema import ddl

revision = "record_0002"
down_revision = "record_0001"

OLDER = """
do $$ begin
  if exists (select from information_schema.columns
             where table_schema = 'record' and table_name = 'word' and column_name = 'param') then
    drop table record.word, record.moment;
  end if;
end $$;
"""


def upgrade() -> None:
    execute_script(OLDER + ddl())


def downgrade() -> None:
    raise RuntimeError("The hospital record is not undone by a migration.")
