"""Prescriptions as signed, orders on their way, what was handed over, and decisions with the rules they rest on."""

from kernel import idempotency
from kernel.database import execute_script

revision = "pharmacy_0001"
down_revision = None

TABLES = """
create table pharmacy.prescription (
  id text collate "C" primary key, group_value text collate "C" not null, prescriber text collate "C" not null,
  patient text collate "C" not null, encounter text collate "C" not null, hospital_pharmacy text collate "C" not null,
  document bytea not null, digest text not null, lines text[] not null,
  rule_pack text not null, rule_version text not null, rules text[] not null,
  authored_at timestamptz not null, expires_at timestamptz not null,
  signature text, kid text, signed_at timestamptz,
  check ((signature is null) = (signed_at is null) and (signature is null) = (kid is null)));
create unique index one_unsigned on pharmacy.prescription (group_value, prescriber) where signed_at is null;

create table pharmacy.orders (
  id text collate "C" primary key, group_value text collate "C" not null unique,
  prescription text collate "C" not null references pharmacy.prescription,
  patient text collate "C" not null, encounter text collate "C" not null, prescriber text collate "C" not null,
  hospital_pharmacy text collate "C" not null, authored_at timestamptz not null, expires_at timestamptz not null,
  state text not null check (state in ('submitted', 'returned', 'reviewed', 'released', 'claimed', 'dispensed',
    'closed', 'cancelled', 'expired')),
  version int not null, pharmacy text collate "C", releases int not null default 0, reason text,
  check (pharmacy is not null or state not in ('released', 'claimed', 'dispensed', 'closed')));
create index due on pharmacy.orders (expires_at)
  where state in ('submitted', 'returned', 'reviewed', 'released', 'claimed');

create table pharmacy.fill (
  order_id text collate "C" not null references pharmacy.orders, request text collate "C" not null,
  medication text collate "C" not null, unit text not null, ordered numeric not null, dispensed numeric not null,
  place int not null,
  primary key (order_id, request), check (ordered > 0 and dispensed >= 0 and dispensed <= ordered));

create table pharmacy.decision (
  id text collate "C" primary key, prescription text collate "C" not null references pharmacy.prescription,
  stage text not null, outcome text not null, rule_pack text not null, rule_version text not null,
  rules text[] not null, digest text not null, by text collate "C" not null, at timestamptz not null);
create index on pharmacy.decision (prescription);
"""

WALLS = """
grant select, insert, update, delete on pharmacy.prescription, pharmacy.orders, pharmacy.fill, pharmacy.idempotency
  to pharmacy;
grant select, insert on pharmacy.decision to pharmacy;
grant usage on schema pharmacy to pharmacy_patient;
grant select on pharmacy.prescription, pharmacy.orders, pharmacy.fill to pharmacy_patient;
alter table pharmacy.prescription enable row level security;
alter table pharmacy.orders enable row level security;
alter table pharmacy.fill enable row level security;
create policy staff on pharmacy.prescription to pharmacy using (true) with check (true);
create policy staff on pharmacy.orders to pharmacy using (true) with check (true);
create policy staff on pharmacy.fill to pharmacy using (true) with check (true);
create policy own on pharmacy.prescription for select to pharmacy_patient
  using (patient = current_setting('record.patient', true));
create policy own on pharmacy.orders for select to pharmacy_patient
  using (patient = current_setting('record.patient', true));
create policy own on pharmacy.fill for select to pharmacy_patient
  using (exists (select from pharmacy.orders o where o.id = order_id));
"""


def upgrade() -> None:
    execute_script(TABLES + idempotency.table("pharmacy") + WALLS)


def downgrade() -> None:
    raise RuntimeError("Prescriptions are kept for years; they are not thrown away.")
