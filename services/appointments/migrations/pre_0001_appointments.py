"""Places and who has them: the counters that decide every booking, and the queue's numbers."""

from kernel import idempotency
from kernel.database import execute_script

revision = "appointments_0001"
down_revision = None

TABLES = """
create table appointments.schedule (
  id text collate "C" primary key, practitioner text not null, service text not null, organization text not null,
  location text not null, practitioner_display text not null, service_display text not null,
  service_type text not null, specialty text not null);
create index on appointments.schedule (practitioner);
create index on appointments.schedule (service);
create index on appointments.schedule (organization);

create table appointments.pattern (
  schedule text collate "C" not null references appointments.schedule, cycle_days int not null check (cycle_days > 0),
  day_of_cycle int not null, begins time not null, slots int not null check (slots > 0),
  minutes int not null check (minutes between 1 and 30), visit text not null, capacity int not null,
  primary key (schedule, cycle_days, day_of_cycle, begins));
create table appointments.opened_day (
  schedule text collate "C" not null references appointments.schedule, day date not null, primary key (schedule, day));

create table appointments.slot (
  id text collate "C" primary key, schedule text collate "C" not null references appointments.schedule,
  starts_at timestamptz not null, ends_at timestamptz not null, visit text not null,
  capacity int not null, taken int not null default 0, held int not null default 0,
  closed boolean not null default false,
  check (starts_at < ends_at), check (taken >= 0 and held >= 0 and taken + held <= capacity));
create index on appointments.slot (schedule, starts_at);
create index on appointments.slot (starts_at, id) where not closed and taken + held < capacity;

create table appointments.hold (
  appointment text collate "C" primary key, slot text collate "C" not null references appointments.slot,
  patient text not null, account text not null, expires_at timestamptz not null);
create index on appointments.hold (expires_at);
create index on appointments.hold (slot);

create table appointments.booking (
  appointment text collate "C" primary key, slot text collate "C" not null references appointments.slot,
  patient text not null, visit text not null, booked_at timestamptz not null, cancelled_at timestamptz);
create unique index one_place_per_patient on appointments.booking (slot, patient) where cancelled_at is null;
create index on appointments.booking (patient);

create table appointments.queue_day (
  queue text collate "C" not null references appointments.schedule, day date not null, last_number int not null,
  primary key (queue, day));
create table appointments.ticket (
  appointment text collate "C" primary key references appointments.booking, queue text collate "C" not null,
  day date not null, number int not null, state text not null, patient text not null,
  checked_in_at timestamptz not null, called_at timestamptz, unique (queue, day, number));
create index on appointments.ticket (queue, state, day, number);
"""

GRANTS = """
grant select, insert, update, delete on all tables in schema appointments to appointments;
"""


def upgrade() -> None:
    execute_script(TABLES + idempotency.table("appointments") + GRANTS)


def downgrade() -> None:
    raise RuntimeError("Bookings are not thrown away.")
