"""Every access leaves a row before its answer does, and no row can be changed unseen."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from kernel.auth.principal import Role
from kernel.clock import FixedClock
from kernel.database import Database
from kernel.ids import CountedIds
from kernel.settings import Settings
from record.audit import AuditAway, AuditEntry, AuditWriter, Chain, ChainBroken, hashed, verify_chain, written
from record.rest import fhir_routes
from record.validation.checking import check
from tests.support.postgres import connect_as, database_of
from tests.support.record import RoomDoor, account, door_of

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
GINA = account("gina", Role.PATIENT, fhir_user="Patient/gina")
IDA = account("ida", Role.PATIENT, fhir_user="Patient/ida")
HUGO = account("hugo", Role.PATIENT, fhir_user="Patient/hugo")
SYSTEM = account("audit-system", Role.SYSTEM)
ADMIN = account("audit-admin", Role.ADMIN)
DOCTOR = account("audit-doctor", Role.PRACTITIONER)


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room, which renders the audit."""
    accounts = [GINA, HUGO, SYSTEM, ADMIN, DOCTOR]
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=accounts) as door:
        yield door


def entry(n: int) -> AuditEntry:
    """Some read."""
    return AuditEntry.by(IDA, "R", "read", "Condition", entity=f"Condition/{n}", version=1, patient="ida")


async def _rows(record: Settings, writer: str) -> int:
    async with database_of("patients", record, size=1) as database, database.reading() as tx:
        return await verify_chain(tx, writer)


async def test_reads_are_written_in_unbroken_chains(record: Settings) -> None:
    """Two hundred reads at once are all in the chain when they return, in fewer batches than reads."""
    database = Database(record.database_url("consult"), room="consult", size=1)
    writer = AuditWriter(database, FixedClock(NOW), CountedIds("chain"))
    running = asyncio.create_task(writer.run())
    await asyncio.gather(*(writer.seen(entry(n)) for n in range(200)))
    await writer.seen(entry(200), entry(201))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await _rows(record, "chain-1") == 202
    async with database_of("patients", record, size=1) as database, database.reading() as tx:
        batches = await tx.raw.fetchval("select count(distinct batch) from record.audit where writer = 'chain-1'")
    assert batches < 100


@pytest.mark.parametrize(
    "tampering",
    [
        "update record.audit set entity = 'Condition/other' where writer = 'tampered-1' and n = 1",
        "delete from record.audit where writer = 'tampered-1' and n = 1",
        "update record.audit set at = at + interval '1 second' where writer = 'tampered-1' and n = 2",
        "update record.audit set patient = null where writer = 'tampered-1' and n = 0",
    ],
)
async def test_a_changed_or_missing_row_shows(record: Settings, tampering: str) -> None:
    """Whoever alters or removes a row, with every right on the table, breaks the chain."""
    owner = await connect_as("yuzhen_owner", record)
    try:
        async with database_of("consult", record, size=1) as database, database.transaction() as tx:
            ids = CountedIds("tampered")
            await written(tx, *(entry(n) for n in range(4)), ids=ids, now=NOW)
        assert await _rows(record, "tampered-1") == 4
        await owner.execute(tampering)
        with pytest.raises(ChainBroken):
            await _rows(record, "tampered-1")
    finally:
        await owner.execute("delete from record.audit where writer = 'tampered-1'")
        await owner.close()


async def test_a_command_and_its_row_stand_or_fall_together(record: Settings) -> None:
    """A command that is undone leaves no audit row."""
    with pytest.raises(ZeroDivisionError):
        async with database_of("consult", record, size=1) as database, database.transaction() as tx:
            await written(tx, entry(1), ids=CountedIds("undone"), now=NOW)
            raise ZeroDivisionError
    assert await _rows(record, "undone-1") == 0


async def test_a_read_that_cannot_be_recorded_is_not_given(record: Settings) -> None:
    """When the record is away, the waiting reads are refused, and a new chain begins when it is back."""
    lost = Database(record.database_url("consult").replace("consult:", "nobody:"), room="consult", size=1)
    writer = AuditWriter(lost, FixedClock(NOW), CountedIds("lost"))
    running = asyncio.create_task(writer.run())
    with pytest.raises(AuditAway):
        await asyncio.wait_for(writer.seen(entry(1)), 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_every_column_counts_in_the_hash() -> None:
    """Two entries that differ anywhere have different hashes."""
    row = Chain("w").rows([entry(1)], at=NOW, ids=CountedIds())[0][:17]
    other = Chain("w").rows([replace(entry(1), outcome="4")], at=NOW, ids=CountedIds())[0][:17]
    start = bytes(32)
    assert hashed(start, row) != hashed(start, other)
    assert hashed(start, row) != hashed(b"x" * 32, row)


async def test_each_access_is_shown_to_the_patient_it_concerns(patients: RoomDoor) -> None:
    """Create, read, search and history of gina's record appear as AuditEvents to gina and to systems alone."""
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/gina"}, "code": {"text": "x"}}
    made = await patients.ask("POST", "/fhir/Condition", by=SYSTEM.account, body=condition)
    place = f"/fhir/Condition/{made.json['id']}"
    await patients.ask("GET", place, by="gina")
    await patients.ask("GET", "/fhir/Condition?patient=gina", by=SYSTEM.account, x_request_id="request-1")
    await patients.ask("GET", f"{place}/_history", by="gina")
    shown = await patients.ask("GET", "/fhir/AuditEvent?patient=Patient/gina&_sort=date", by="gina")
    events = [one["resource"] for one in shown.json["entry"]]
    said = [(one["action"], one["subtype"][0]["code"]) for one in events]
    assert said[:4] == [("C", "create"), ("R", "read"), ("E", "search-type"), ("R", "history-instance")]
    for event in events:
        assert check(orjson.dumps(event), type="AuditEvent")
    assert "x" not in {
        text for event in events for text in event.get("entity", [{}])[0].values() if isinstance(text, str)
    }
    one = await patients.ask("GET", f"/fhir/AuditEvent/{events[0]['id']}", by="gina")
    assert one.json == events[0]
    stranger = await patients.ask("GET", f"/fhir/AuditEvent/{events[0]['id']}", by="hugo")
    assert (stranger.status, stranger.codes) == (404, ["resource-unknown"])
    assert "entry" not in (await patients.ask("GET", "/fhir/AuditEvent?patient=gina", by="hugo")).json
    for staff in (DOCTOR, ADMIN):
        assert (await patients.ask("GET", "/fhir/AuditEvent", by=staff.account)).status == 403
    system = await patients.ask(
        "GET", f"/fhir/AuditEvent?entity=Condition/{made.json['id']}&action=C", by=SYSTEM.account
    )
    assert len(system.json["entry"]) == 1
    assert (
        await patients.ask("PUT", f"/fhir/AuditEvent/{events[0]['id']}", by=SYSTEM.account, body=b"{}")
    ).status == 405


async def test_no_searched_value_is_kept(patients: RoomDoor, record: Settings) -> None:
    """A search leaves a keyed digest: equal for equal searches, and without the words that were searched."""
    for path in ("/fhir/Patient?name=secretname", "/fhir/Patient?name=secretname", "/fhir/Patient?name=other"):
        await patients.ask("GET", path, by="hugo")
    async with database_of("patients", record, size=1) as database, database.reading() as tx:
        rows = await tx.raw.fetch(
            "select * from record.audit where account = 'hugo' and type = 'Patient' order by at, id"
        )
    assert len({row["query"] for row in rows}) == 2
    assert not any("secretname" in str(value) for row in rows for value in row.values())


async def test_reads_wait_for_their_row_even_when_all_connections_are_busy(patients: RoomDoor) -> None:
    """Many more readers at once than there are connections are all answered: the audit has a connection of its own."""
    answers = await asyncio.gather(*(patients.ask("GET", "/fhir/Condition", by="gina") for _ in range(60)))
    assert {answer.status for answer in answers} == {200}
