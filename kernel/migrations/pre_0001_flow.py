"""Events and their deliveries: everyone may tell, each consumer carries off its own."""

from kernel.database import execute_script

revision = "flow_0001"
down_revision = None

ROOMS = ("identity", "patients", "appointments", "consult", "pharmacy")

TABLES = """
create table flow.event (
  id text collate "C" primary key, kind text not null, at timestamptz not null, body bytea not null);
create index on flow.event (at);
create table flow.delivery (
  consumer text not null, event_id text collate "C" not null, kind text not null, body bytea not null,
  due_at timestamptz not null, attempts int not null default 0,
  primary key (consumer, event_id)) partition by list (consumer);
"""

PARTITION = """
create table flow.delivery_{room} partition of flow.delivery for values in ('{room}');
create index on flow.delivery_{room} (due_at, event_id);
grant usage on schema flow to "{room}";
grant select, insert, delete on flow.event to "{room}";
grant insert on flow.delivery to "{room}";
grant select, update, delete on flow.delivery_{room} to "{room}";
"""


def upgrade() -> None:
    execute_script(TABLES + "".join(PARTITION.format(room=room) for room in ROOMS))


def downgrade() -> None:
    raise RuntimeError("Facts already told cannot be untold.")
