"""The record's tables and their walls: partitions by type, a grant on each for its owner, policies for patients.

A room may read every partition and write those of its own types and the shared ones; a wrong role gets SQLSTATE 42501.
Nothing is ever deleted from a partition: a deletion is a version.
"""

from collections.abc import Iterable, Iterator, Sequence

from record.ownership import TypeRules, partitioned, rooms, types
from record.settling import settling_ddl

GUESTS = ("identity",)
"""Rooms that own no type and may only read the record."""
CARE_WRITERS = ("appointments", "consult")
REACH_WRITERS = ("pharmacy", "consult")
AUDIT_WRITERS = (*GUESTS, "gateway")
"""Who writes audit rows besides the rooms that own types."""
IMPORT = "record_import"
"""The role without login under which another system's finished history is entered: plain writes, nearly every type."""

TABLES = """
create table if not exists record.resource (
  type text collate "C" not null, id text collate "C" not null, version int not null, updated_at timestamptz not null,
  deleted boolean not null default false,
  patient text collate "C",
  keys bigint[] not null, present int[] not null, lo timestamptz not null, hi timestamptz not null,
  body bytea not null,
  primary key (type, id)) partition by list (type);

create table if not exists record.past (
  type text collate "C" not null, id text collate "C" not null, version int not null, updated_at timestamptz not null,
  deleted boolean not null, patient text collate "C", body bytea not null,
  primary key (type, id, version));
create index if not exists past_type_updated_at_id_idx on record.past (type, updated_at, id);

create table if not exists record.timeline (
  key bigint not null, lo timestamptz not null, id text collate "C" not null, type text collate "C" not null,
  primary key (key, lo, id));

create table if not exists record.word (
  type text collate "C" not null, place int not null, code bigint, system bigint, value text collate "C" not null,
  written text collate "C" not null, id text collate "C" not null);
create index if not exists word_type_place_value_id_idx on record.word (type, place, value, id);
create index if not exists word_type_id_idx on record.word (type, id);
create index if not exists word_value_idx on record.word using gin (value gin_trgm_ops) with (fastupdate = off);

create table if not exists record.number (
  type text collate "C" not null, place int not null, code bigint, system bigint, lo numeric, hi numeric,
  unit_system text, unit_code text, unit text, id text collate "C" not null);
create index if not exists number_type_place_code_lo_id_idx on record.number (type, place, code, lo, id);
create index if not exists number_type_id_idx on record.number (type, id);

create table if not exists record.moment (
  type text collate "C" not null, place int not null, code bigint, system bigint, lo timestamptz not null,
  hi timestamptz not null, id text collate "C" not null);
create index if not exists moment_type_place_lo_id_idx on record.moment (type, place, lo, id);
create index if not exists moment_type_id_idx on record.moment (type, id);

create table if not exists record.indexed (
  type text collate "C" primary key, digest text not null, after text collate "C");

create table if not exists record.care (
  clinic text collate "C" not null, patient text collate "C" not null, since timestamptz not null,
  primary key (clinic, patient));
create index if not exists care_patient_idx on record.care (patient);

create table if not exists record.reach (
  party text collate "C" not null, type text collate "C" not null, id text collate "C" not null,
  primary key (party, type, id));

create table if not exists record.audit (
  id text collate "C" primary key, at timestamptz not null,
  writer text collate "C" not null, batch bigint not null, n int not null, prev bytea not null, hash bytea not null,
  account text not null, role text not null, fhir_user text collate "C" not null, action text not null,
  interaction text not null, type text not null, entity text collate "C" not null, version int,
  patient text collate "C", outcome text not null, request text not null, query bytea,
  unique (writer, batch, n));
create index if not exists audit_at_id_idx on record.audit (at, id);
create index if not exists audit_patient_at_id_idx on record.audit (patient, at, id);
create index if not exists audit_entity_at_id_idx on record.audit (entity, at, id);
create index if not exists audit_fhir_user_at_id_idx on record.audit (fhir_user, at, id);
"""

SIDE_TABLES = ("timeline", "word", "number", "moment")


def ddl() -> str:
    """Everything, as one script; on a record that has it already, it adds what is missing and sets the walls anew."""
    walls = [*_side_tables(), *_past(), *_access(), *_audit(), *_settling()]
    return "\n".join([TABLES, *_partitions(), *_usage(), *walls])


def writers_of(rules: TypeRules) -> tuple[str, ...]:
    """The rooms that may write a type."""
    return rooms() if rules.shared else (rules.owner,)


def _may_write(rules: TypeRules) -> tuple[str, ...]:
    return (*writers_of(rules), IMPORT) if rules.imported else writers_of(rules)


def _quoted(roles: Sequence[str]) -> str:
    return ", ".join(f'"{role}"' for role in roles)


def _staff() -> tuple[str, ...]:
    return (*rooms(), *GUESTS, IMPORT)


def _patients() -> tuple[str, ...]:
    return tuple(f"{room}_patient" for room in (*rooms(), *GUESTS))


def _usage() -> Iterator[str]:
    yield f"grant usage on schema record to {_quoted((*_staff(), *_patients(), 'gateway'))};"


def _cleared(table: str) -> str:
    """The statement that takes every grant back, so that a type that changed its owner has one."""
    return f"revoke all on {table} from {_quoted((*_staff(), *_patients(), 'gateway'))};"


def _policy(name: str, table: str, rule: str) -> str:
    return f"drop policy if exists {name} on {table}; create policy {name} on {table} {rule};"


def _partitions() -> Iterator[str]:
    for rules in partitioned():
        table, name = rules.partition, rules.type
        bare = table.removeprefix("record.")
        yield f"create table if not exists {table} partition of record.resource for values in ('{name}');"
        yield f"create index if not exists {bare}_keys_idx on {table} using gin (keys) with (fastupdate = off);"
        yield f"create index if not exists {bare}_lo_id_idx on {table} (lo, id);"
        yield f"create index if not exists {bare}_updated_at_id_idx on {table} (updated_at, id);"
        if rules.compartment:
            yield f"create index if not exists {bare}_patient_lo_id_idx on {table} (patient, lo, id);"
        yield from _partition_walls(rules)


def _partition_walls(rules: TypeRules) -> Iterator[str]:
    table, writers = rules.partition, _quoted(_may_write(rules))
    yield f"alter table {table} enable row level security;"
    yield _cleared(table)
    yield f"grant select on {table} to {_quoted((*_staff(), *_patients()))};"
    yield _policy("staff", table, f"for select to {_quoted(_staff())} using (true)")
    yield _policy("own", table, f"for select to {_quoted(_patients())} using ({_own(rules)})")
    yield f"grant insert on {table} to {writers};"
    yield _policy("enter", table, f"for insert to {writers} with check (true)")
    if not rules.append_only:
        yield f"grant update on {table} to {writers};"
        yield _policy("change", table, f"for update to {writers} using (true) with check (true)")


MINE = "patient = current_setting('record.patient', true)"


def _own(rules: TypeRules) -> str:
    if not rules.compartment:
        return "true"
    return f"patient is null or {MINE}" if rules.open_without_patient else MINE


def _listed(types: Iterable[TypeRules]) -> str:
    return ", ".join(f"'{rules.type}'" for rules in types)


def _written_by(role: str) -> str:
    """The condition that a side row belongs to a type this role may write."""
    return f"type in ({_listed(rules for rules in partitioned() if role in _may_write(rules))})"


def _side_tables() -> Iterator[str]:
    for name in SIDE_TABLES:
        table = f"record.{name}"
        yield f"alter table {table} enable row level security;"
        yield _cleared(table)
        yield f"grant select on {table} to {_quoted((*_staff(), *_patients()))};"
        yield _policy("seen", table, "for select using (true)")
        for role in (*rooms(), IMPORT):
            yield f'grant insert, delete on {table} to "{role}";'
            yield _policy(f"enter_{role}", table, f'for insert to "{role}" with check ({_written_by(role)})')
            yield _policy(f"leave_{role}", table, f'for delete to "{role}" using ({_written_by(role)})')


def _past() -> Iterator[str]:
    open_types = _listed(rules for rules in partitioned() if not rules.compartment)
    partly_open = _listed(rules for rules in partitioned() if rules.open_without_patient)
    own = f"{MINE} or type in ({open_types}) or (patient is null and type in ({partly_open}))"
    yield "alter table record.past enable row level security;"
    yield _cleared("record.past")
    yield f"grant select on record.past to {_quoted((*_staff(), *_patients()))};"
    yield _policy("staff", "record.past", f"for select to {_quoted(_staff())} using (true)")
    yield _policy("own", "record.past", f"for select to {_quoted(_patients())} using ({own})")
    for role in (*rooms(), IMPORT):
        yield f'grant insert on record.past to "{role}";'
        yield _policy(f"enter_{role}", "record.past", f'for insert to "{role}" with check ({_written_by(role)})')


def _access() -> Iterator[str]:
    for table, writers in (("care", CARE_WRITERS), ("reach", REACH_WRITERS)):
        yield _cleared(f"record.{table}")
        yield f"grant select on record.{table} to {_quoted((*_staff(), *_patients()))};"
        yield f"grant insert on record.{table} to {_quoted(writers)};"


def _audit() -> Iterator[str]:
    owner, writers = types()["AuditEvent"].owner, _quoted((*rooms(), *AUDIT_WRITERS, IMPORT))
    yield "alter table record.audit enable row level security;"
    yield _cleared("record.audit")
    yield f"grant insert on record.audit to {writers};"
    yield _policy("enter", "record.audit", f"for insert to {writers} with check (true)")
    yield f"grant select on record.audit to {_quoted((owner, f'{owner}_patient'))};"
    yield _policy("staff", "record.audit", f'for select to "{owner}" using (true)')
    yield _policy("own", "record.audit", f'for select to "{owner}_patient" using ({MINE})')


def _settling() -> Iterator[str]:
    yield settling_ddl(rooms())
    yield f"grant execute on function record.settling() to {_quoted((*_staff(), *_patients()))};"
