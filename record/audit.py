"""Who did what with which resource: compact rows, only ever added, chained by hash so that a change would show.

A command writes its rows in its own transaction. A read waits until the process's writer has committed a batch with
its rows: no answer leaves the house unrecorded. https://profiles.ihe.net/ITI/BALP/
"""

import asyncio
import hashlib
import logging
import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self

import orjson

from kernel.auth.principal import Principal
from kernel.clock import Clock
from kernel.database import Database, Transaction
from kernel.failures import Busy
from kernel.ids import Ids
from kernel.telemetry import place_of

log = logging.getLogger(__name__)

EVERY = 0.005
LARGEST_BATCH = 1000
START = bytes(32)

INTO = """
insert into record.audit (account, role, fhir_user, action, interaction, type, entity, version, patient, outcome,
  request, query, id, at, writer, batch, n, prev, hash)
"""
INSERT = f"{INTO} values ({', '.join(f'${n}' for n in range(1, 20))})"
INSERT_MANY = f"""{INTO}
select a.account, a.role, a.fhir_user, a.action, a.interaction, a.type, a.entity, a.version, r.patient, a.outcome,
  a.request, a.query, r.id, $16::timestamptz, $17::text, $18::bigint, (r.place - 1)::int,
  coalesce(lag(r.hash) over (order by r.place), $19::bytea), r.hash
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[],
  $10::text[], $11::bytea[]) with ordinality as a
  (account, role, fhir_user, action, interaction, type, entity, version, outcome, request, query, place)
join unnest($12::bigint[], $13::text[], $14::text[], $15::bytea[]) with ordinality as r
  (access, patient, id, hash, place) on r.access = a.place
"""  # noqa: S608 - our own words


class AuditAway(Busy):
    """The access could not be recorded just now, so it was not given. Try again in a moment."""

    code = "audit-away"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One access by one account."""

    account: str
    role: str
    fhir_user: str
    action: str
    """C, R, U, D or E (https://hl7.org/fhir/R4/valueset-audit-event-action.html)."""
    interaction: str
    """FHIR's interaction code, or an operation's name with its `$`."""
    type: str
    entity: str
    """Reference of the resource; empty for a search."""
    version: int | None
    patient: str | None
    outcome: str
    request: str
    query: bytes | None

    @classmethod
    def by(
        cls,
        principal: Principal,
        action: str,
        interaction: str,
        type: str,
        *,
        entity: str = "",
        version: int | None = None,
        patient: str | None = None,
        outcome: str = "0",
        request: str = "",
        query: bytes | None = None,
    ) -> Self:
        """An access by this principal; without a name there is no entry."""
        who = (principal.account, principal.role.value, principal.fhir_user)
        return cls(*who, action, interaction, type, entity, version, patient, outcome, request, query)


_columns = operator.attrgetter(*(one.name for one in fields(AuditEntry)))
PATIENT, QUERY, ID, AT, PREV, HASH = 8, 11, 12, 13, 17, 18
"""Where in a row they stand; the query's digest and the instant are what JSON cannot say by itself."""


@dataclass(slots=True)
class Chain:
    """Where a writer's chain stands."""

    writer: str
    batch: int = 0
    prev: bytes = START

    def rows(self, entries: Sequence[AuditEntry], *, at: datetime, ids: Ids) -> list[tuple[Any, ...]]:
        """The next batch's rows, each with the hash of the one before."""
        rows = []
        for n, entry in enumerate(entries):
            row = (*_columns(entry), ids.new(), at, self.writer, self.batch, n)
            own = hashed(self.prev, row)
            rows.append((*row, self.prev, own))
            self.prev = own
        self.batch += 1
        return rows


def hashed(prev: bytes, row: Sequence[Any]) -> bytes:
    """A row's hash: over the hash before it and its own columns."""
    columns = list(row)
    columns[QUERY] = row[QUERY].hex() if row[QUERY] is not None else None
    columns[AT] = row[AT].timestamp()
    return hashlib.sha256(prev + orjson.dumps(columns)).digest()


async def written(tx: Transaction, *entries: AuditEntry, ids: Ids, now: datetime) -> None:
    """Record what a command does, in its own transaction: a chain of its own."""
    await _insert(tx, Chain(ids.new()).rows(entries, at=now, ids=ids))


async def _insert(tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    if len(rows) == 1:
        await tx.raw.execute(INSERT, *rows[0])
        return
    accesses, of = _accesses(rows)
    each = ([row[place] for row in rows] for place in (PATIENT, ID, HASH))
    first = rows[0]
    batch = (*first[AT : AT + 3], first[PREV])
    await tx.raw.execute(INSERT_MANY, *(list(column) for column in zip(*accesses, strict=True)), of, *each, *batch)


def _accesses(rows: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """What rows that follow one another share but for the patient, said once, and which of these each row is of.

    A page of fifty patients is fifty rows of one access; the driver looks at each element of an array for long.
    """
    accesses: list[tuple[Any, ...]] = []
    of = []
    for row in rows:
        access = row[:PATIENT] + row[PATIENT + 1 : ID]
        if not accesses or access != accesses[-1]:
            accesses.append(access)
        of.append(len(accesses))
    return accesses, of


class AuditWriter:
    """Records reads for one process: many waiting reads, one commit, at most every 5 ms.

    `database` must be one of its own: a read holds its connection while it waits for the writer's.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._waiting: asyncio.Queue[tuple[tuple[AuditEntry, ...], asyncio.Future[None]]] = asyncio.Queue(10_000)

    async def seen(self, *entries: AuditEntry) -> None:
        """Return once these entries are committed. Raises AuditAway."""
        if not entries:
            return
        done = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((entries, done))
        except asyncio.QueueFull:
            raise AuditAway from None
        await done

    async def run(self) -> None:
        """Write batches until cancelled."""
        chain, loop = Chain(self._ids.new()), asyncio.get_running_loop()
        try:
            while True:
                batch = [await self._waiting.get()]
                while not self._waiting.empty() and len(batch) < LARGEST_BATCH:
                    batch.append(self._waiting.get_nowait())
                begun = loop.time()
                chain = await self._commit(chain, batch)
                # A disk that is slow to say "kept" makes readers wait once, not once and 5 ms more.
                await asyncio.sleep(begun + EVERY - loop.time())
        finally:
            await self._database.close()

    async def _commit(self, chain: Chain, batch: list[tuple[tuple[AuditEntry, ...], asyncio.Future[None]]]) -> Chain:
        """Write one batch. After a failure a new chain begins, since the old one's end is not known."""
        entries = [entry for group, _ in batch for entry in group]
        following = replace(chain)
        failure: AuditAway | None = None
        try:
            rows = following.rows(entries, at=self._clock.now(), ids=self._ids)
            async with self._database.transaction() as tx:
                await _insert(tx, rows)
        except Exception as wrong:
            # Whatever it was, these reads are not given, and those that wait behind them must not fall with them.
            log.error("%d accesses could not be recorded: %s", len(entries), place_of(wrong))
            failure = AuditAway()
            following = Chain(self._ids.new())
        for _, done in batch:
            if not done.done():
                done.set_exception(failure) if failure else done.set_result(None)
        return following


async def verify_chain(tx: Transaction, writer: str) -> int:
    """The number of a writer's rows, every one found in its place and unaltered. Raises ChainBroken."""
    rows = await tx.raw.fetch(
        "select account, role, fhir_user, action, interaction, type, entity, version, patient, outcome, request, query,"
        " id, at, writer, batch, n, prev, hash from record.audit where writer = $1 order by batch, n",
        writer,
    )
    prev, place = START, (0, -1)
    for row in rows:
        follows = (row["batch"], row["n"]) in {(place[0], place[1] + 1), (place[0] + 1, 0)}
        if not follows or row["prev"] != prev or row["hash"] != hashed(prev, row[:17]):
            raise ChainBroken
        prev, place = row["hash"], (row["batch"], row["n"])
    return len(rows)


class ChainBroken(Exception):
    """An audit row is missing, moved or altered."""
