"""The record's tables and their walls: partitions by type, a grant on each for its owner, policies for patients.

A room may read every partition and write those of its own types and the shared ones; a wrong role gets SQLSTATE 42501.
Nothing is ever deleted from a partition: a deletion is a version.
"""

from collections.abc import Iterator, Sequence

from record.ownership import TypeRules, partitioned, rooms, types

GUESTS = ("identity",)
"""Rooms that own no type and may only read the record."""
CARE_WRITERS = ("appointments", "consult")
REACH_WRITERS = ("pharmacy", "consult")
AUDIT_WRITERS = (*GUESTS, "gateway")
"""Who writes audit rows besides the rooms that own types."""
IMPORT = "record_import"
"""The role without login under which another system's finished history is entered: plain writes, nearly every type."""

TABLES = """
create table record.resource (
  type text collate "C" not null, id text collate "C" not null, version int not null, updated_at timestamptz not null,
  deleted boolean not null default false,
  patient text collate "C",
  keys bigint[] not null, present int[] not null, lo timestamptz not null, hi timestamptz not null,
  body bytea not null,
  primary key (type, id)) partition by list (type);

create table record.past (
  type text collate "C" not null, id text collate "C" not null, version int not null, updated_at timestamptz not null,
  deleted boolean not null, patient text collate "C", body bytea not null,
  primary key (type, id, version));
create index on record.past (type, updated_at, id);

create table record.timeline (
  key bigint not null, lo timestamptz not null, id text collate "C" not null, type text collate "C" not null,
  primary key (key, lo, id));

create table record.word (
  type text collate "C" not null, param int not null, value text collate "C" not null,
  written text collate "C" not null, id text collate "C" not null);
create index on record.word (type, param, value, id);
create index on record.word (type, id);
create index on record.word using gin (value gin_trgm_ops) with (fastupdate = off);

create table record.moment (
  type text collate "C" not null, param int not null, lo timestamptz not null, hi timestamptz not null,
  id text collate "C" not null);
create index on record.moment (type, param, lo, id);
create index on record.moment (type, id);

create table record.care (
  clinic text collate "C" not null, patient text collate "C" not null, since timestamptz not null,
  primary key (clinic, patient));
create index on record.care (patient);

create table record.reach (
  party text collate "C" not null, type text collate "C" not null, id text collate "C" not null,
  primary key (party, type, id));

create table record.audit (
  id text collate "C" primary key, at timestamptz not null,
  writer text collate "C" not null, batch bigint not null, n int not null, prev bytea not null, hash bytea not null,
  account text not null, role text not null, fhir_user text collate "C" not null, action text not null,
  interaction text not null, type text not null, entity text collate "C" not null, version int,
  patient text collate "C", outcome text not null, request text not null, query bytea,
  unique (writer, batch, n));
create index on record.audit (at, id);
create index on record.audit (patient, at, id);
create index on record.audit (entity, at, id);
create index on record.audit (fhir_user, at, id);
"""

SIDE_TABLES = ("timeline", "word", "moment")


def ddl() -> str:
    """Everything, as one script."""
    return "\n".join([TABLES, *_partitions(), *_usage(), *_side_tables(), *_past(), *_access(), *_audit()])


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


def _partitions() -> Iterator[str]:
    for rules in partitioned():
        table, name = rules.partition, rules.type
        yield f"create table {table} partition of record.resource for values in ('{name}');"
        yield f"create index on {table} using gin (keys) with (fastupdate = off);"
        yield f"create index on {table} (lo, id);"
        yield f"create index on {table} (updated_at, id);"
        if rules.compartment:
            yield f"create index on {table} (patient, lo, id);"
        yield from _partition_walls(rules)


def _partition_walls(rules: TypeRules) -> Iterator[str]:
    table, writers = rules.partition, _quoted(_may_write(rules))
    yield f"alter table {table} enable row level security;"
    yield f"grant select on {table} to {_quoted((*_staff(), *_patients()))};"
    yield f"create policy staff on {table} for select to {_quoted(_staff())} using (true);"
    yield f"create policy own on {table} for select to {_quoted(_patients())} using ({_own(rules)});"
    yield f"grant insert on {table} to {writers};"
    yield f"create policy enter on {table} for insert to {writers} with check (true);"
    if not rules.append_only:
        yield f"grant update on {table} to {writers};"
        yield f"create policy change on {table} for update to {writers} using (true) with check (true);"


def _own(rules: TypeRules) -> str:
    return "patient = current_setting('record.patient', true)" if rules.compartment else "true"


def _written_by(role: str) -> str:
    """The condition that a side row belongs to a type this role may write."""
    mine = ", ".join(f"'{rules.type}'" for rules in partitioned() if role in _may_write(rules))
    return f"type in ({mine})"


def _side_tables() -> Iterator[str]:
    for name in SIDE_TABLES:
        table = f"record.{name}"
        yield f"alter table {table} enable row level security;"
        yield f"grant select on {table} to {_quoted((*_staff(), *_patients()))};"
        yield f"create policy seen on {table} for select using (true);"
        for role in (*rooms(), IMPORT):
            yield f'grant insert, delete on {table} to "{role}";'
            yield f'create policy enter_{role} on {table} for insert to "{role}" with check ({_written_by(role)});'
            yield f'create policy leave_{role} on {table} for delete to "{role}" using ({_written_by(role)});'


def _past() -> Iterator[str]:
    open_types = ", ".join(f"'{rules.type}'" for rules in partitioned() if not rules.compartment)
    own = f"patient = current_setting('record.patient', true) or type in ({open_types})"
    yield "alter table record.past enable row level security;"
    yield f"grant select on record.past to {_quoted((*_staff(), *_patients()))};"
    yield f"create policy staff on record.past for select to {_quoted(_staff())} using (true);"
    yield f"create policy own on record.past for select to {_quoted(_patients())} using ({own});"
    for role in (*rooms(), IMPORT):
        yield f'grant insert on record.past to "{role}";'
        yield f'create policy enter_{role} on record.past for insert to "{role}" with check ({_written_by(role)});'


def _access() -> Iterator[str]:
    for table, writers in (("care", CARE_WRITERS), ("reach", REACH_WRITERS)):
        yield f"grant select on record.{table} to {_quoted((*_staff(), *_patients()))};"
        yield f"grant insert on record.{table} to {_quoted(writers)};"


def _audit() -> Iterator[str]:
    owner = types()["AuditEvent"].owner
    yield "alter table record.audit enable row level security;"
    writers = _quoted((*rooms(), *AUDIT_WRITERS, IMPORT))
    yield f"grant insert on record.audit to {writers};"
    yield f"create policy enter on record.audit for insert to {writers} with check (true);"
    yield f"grant select on record.audit to {_quoted((owner, f'{owner}_patient'))};"
    yield f'create policy staff on record.audit for select to "{owner}" using (true);'
    own = "patient = current_setting('record.patient', true)"
    yield f'create policy own on record.audit for select to "{owner}_patient" using ({own});'
