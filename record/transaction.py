"""A transaction Bundle: everything in it happens, or nothing (https://hl7.org/fhir/R4/http.html#transaction).

Deletes first, then creates, updates, and reads at last, in whatever order the entries stand. What each entry does is
what it would do alone: the same use cases, permissions and audit rows.
"""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.failures import Forbidden
from kernel.service import Room
from record.acting import acting_as
from record.answers import changed
from record.bundle_answers import answered, assembled
from record.cases import Cases
from record.changing import change
from record.conditional import hold, the_one
from record.edge import base_of, room_of
from record.entries import READS, Bundle, at_entry
from record.failures import (
    BundleTooLarge,
    EntryNotOffered,
    LinkUnresolved,
    NotHistory,
    ResourceDeleted,
    ResourceUnknown,
    SeveralOwners,
)
from record.interaction import Interaction, preferences
from record.ownership import types
from record.query import parse
from record.read import read
from record.runner import run_of
from record.schema import IMPORT
from record.stored import Stored
from record.transaction_links import Links
from record.transaction_plan import Plan, collide, planned
from record.transaction_reading import answer_reading
from record.visible import Everything, condition, visible_to

LARGEST_ANSWER = 32 * 1024 * 1024


async def transact(request: Request, body: bytes, *, by: Principal, cases: Cases) -> bytes:
    """Carry out a transaction Bundle; the answer is a Bundle with an entry for each of its entries.

    Raises BundleUnreadable, BundleTooLarge, EntryUnreadable, EntryNotOffered, SeveralOwners, EntriesCollide,
    NotHistory, LinkUnresolved, TargetUnclear, MultipleMatches, Forbidden, and whatever an entry alone would raise.
    """
    bundle = Bundle.read(body)
    if bundle.type != "transaction":
        raise EntryNotOffered("A batch is taken apart at the public address.", expression="Bundle.type")
    entries = bundle.read_all(base=base_of(request))
    run = run_of(entries, by.role)
    if run.room != room_of(request).name:
        raise SeveralOwners(f"This is for the room '{run.room}'.", expression="Bundle.entry")
    work = Work(request, by, cases, planned(entries), run.imported)
    return assembled("transaction-response", await work.do())


@dataclass
class Work:
    """One transaction under way."""

    request: Request
    by: Principal
    cases: Cases
    plans: list[Plan]
    imported: frozenset[int]
    """Entries that are only written down: finished history of another room's types."""
    answers: dict[int, bytes] = field(default_factory=dict)
    _changed: dict[str, Plan] = field(default_factory=dict)
    _size: int = 0

    def __post_init__(self) -> None:
        self.tx: Transaction = self.request.state.tx
        self.room: Room = room_of(self.request)
        self.now: datetime = self.room.clock.now()
        self.links = Links(self.plans, self.by, self.now)

    async def do(self) -> list[bytes]:
        """The answers, in the entries' own order. Whatever fails names its entry, and nothing of the rest remains."""
        self._permitted()
        await self._hold()
        for plan in self._of("PUT", "PATCH", "DELETE"):
            await self._find(plan)
        self._apart()
        await self._lock()
        for plan in self._of("DELETE"):
            await self._change(plan, b"")
        for plan in self._of("POST"):
            await self._find(plan)
        # What a use case enters may turn out to be there already: it goes first, before others point at it.
        for plan in sorted(self._of("POST"), key=lambda plan: plan.type not in self.cases.creates):
            await self._enter(plan)
        for plan in sorted(self._of("PUT", "PATCH"), key=lambda plan: plan.reference):
            await self._enter(plan)
        await self._read()
        return [self.answers[n] for n in sorted(self.answers)]

    def _of(self, *methods: str) -> list[Plan]:
        return [plan for plan in self.plans if plan.entry.method in methods]

    def _permitted(self) -> None:
        """Refuse before anything is locked what this role may not do at all."""
        for plan in self.plans:
            with at_entry(plan.entry.n):
                rules, method = types()[plan.type], plan.entry.method
                by_case = method == "PUT" and plan.type in self.cases.entries
                if method not in READS and self.by.role not in rules.writers and not by_case:
                    raise Forbidden
                if plan.criteria is not None and self.by.role not in rules.readers:
                    raise Forbidden

    async def _hold(self) -> None:
        """Take every lock that other transactions may want too, all in one order."""
        holds = [(plan.type, plan.criteria) for plan in self.plans if plan.criteria is not None]
        for plan in self.plans:
            if plan.criteria is not None:
                with at_entry(plan.entry.n):
                    parse(plan.type, plan.criteria, now=self.now)
        for type_ in self.cases.entries:
            # Whose updates are satisfied by a use case: that use case takes their rows in its own order.
            ids = {plan.id for plan in self.plans if plan.type == type_ and plan.id}
            ids |= {id_ for plan in self._of("POST") for id_ in _named(plan.entry.resource, type_)}
            holds += [(type_, [("_id", id_)]) for id_ in ids]
        await hold(self.tx, holds, now=self.now)

    async def _find(self, plan: Plan) -> None:
        """Which resource an entry is about: one that is there, or one under an id given now."""
        if plan.id is not None:
            return
        with at_entry(plan.entry.n):
            found = None
            if plan.criteria is not None:
                visible = visible_to(self.by)
                found = await the_one(self.tx, plan.type, plan.criteria, visible=visible, now=self.now)
            if found:
                plan.id = found.id
            elif plan.entry.method == "POST":
                plan.id = self.room.ids.new()
            elif plan.entry.method == "PUT":
                plan.id = plan.entry.gist.id or self.room.ids.new()

    def _apart(self) -> None:
        """No resource is found by two entries. Raises EntriesCollide."""
        seen: dict[str, Plan] = {}
        for plan in self.plans:
            if plan.id is not None:
                collide(seen.setdefault(plan.reference, plan), plan)

    async def _lock(self) -> None:
        """Hold the rows that will change, in one order, so that crossing transactions wait instead of deadlocking."""
        for type_ in sorted({plan.type for plan in self.plans} - self.cases.entries.keys()):
            plans = [plan for plan in self._of("PUT", "PATCH", "DELETE") if plan.type == type_ and plan.id]
            if plans and not types()[type_].append_only:
                async with self._role(plans[0]):
                    await self._lock_rows(type_, [plan.id or "" for plan in plans])
        for plan in self.plans:
            if plan.entry.n in self.imported and plan.id and types()[plan.type].finished:
                await self._over(plan)

    async def _lock_rows(self, type_: str, ids: list[str]) -> None:
        seen, arguments = condition(visible_to(self.by), types()[type_], at=2)
        await self.tx.raw.execute(
            f"select 1 from {types()[type_].partition} r where r.type = '{type_}' and r.id = any($1::text[])"  # noqa: S608 - declared names
            f" and {seen} order by r.id for update of r",
            *(ids, *arguments),
        )

    async def _over(self, plan: Plan) -> None:
        """An import replaces what is over, never what is still under way. Raises NotHistory."""
        with at_entry(plan.entry.n):
            try:
                standing = await read(self.tx, plan.type, plan.id or "", visible=Everything())
            except (ResourceUnknown, ResourceDeleted):
                return
            if standing.resource.get("status") not in types()[plan.type].finished:
                raise NotHistory

    async def _enter(self, plan: Plan) -> None:
        with at_entry(plan.entry.n):
            resource = await self.links.resolved(self.tx, plan.entry) if plan.entry.method != "PATCH" else b""
        await self._change(plan, resource)

    async def _change(self, plan: Plan, resource: bytes) -> None:
        """Carry out one entry as its room would alone."""
        with at_entry(plan.entry.n):
            asked = self._asked(plan, resource)
            cases = Cases() if plan.entry.n in self.imported else self.cases
            async with self._role(plan):
                done = await change(self.tx, asked, by=self.by, room=self.room, cases=cases, id=plan.id, within=True)
            if done.stored is not None:
                self._turned_out(plan, done.stored, entered=done.status != 200 or plan.entry.method != "POST")
            self._answer(plan, changed(asked, done, base=base_of(self.request)))

    def _asked(self, plan: Plan, resource: bytes) -> Interaction:
        entry = plan.entry
        body, media_type = entry.content
        by_criteria = plan.criteria is not None and entry.method != "POST"
        named = entry.path.partition("/")[2] or None
        return Interaction(
            entry.method,
            plan.type,
            named,
            tuple(plan.criteria or ()) if by_criteria else (),
            resource or body,
            media_type,
            entry.if_match,
            entry.if_none_match,
            entry.if_none_exist,
            entry.if_modified_since,
            preferences(self.request.headers.getlist("prefer")),
            self.request.headers.get("x-request-id", "")[:64],
        )

    def _turned_out(self, plan: Plan, stored: Stored, *, entered: bool) -> None:
        """A resource is what its entry was taken for. Raises EntriesCollide, LinkUnresolved."""
        collide(self._changed.get(stored.reference, plan), plan)
        if entered:
            self._changed[stored.reference] = plan
        if stored.id != plan.id:
            if plan.reference in self.links.used:
                raise LinkUnresolved(f"This {plan.type} is here already, under another id. Refer to that one.")
            plan.id = stored.id
            self.links.point(plan)

    async def _read(self) -> None:
        plans = self._of(*READS)
        if not plans:
            return
        async with self._reader():
            for plan in plans:
                with at_entry(plan.entry.n):
                    self._answer(plan, await answer_reading(self.request, plan.entry, self.by))

    @asynccontextmanager
    async def _role(self, plan: Plan) -> AsyncIterator[None]:
        if plan.entry.n not in self.imported:
            yield
            return
        async with acting_as(self.tx, IMPORT):
            yield

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[None]:
        """Patients read under the reader role here too, as by any request of theirs."""
        if self.by.patient is None:
            yield
            return
        async with acting_as(self.tx, f"{self.room.name}_patient", patient=self.by.patient):
            yield

    def _answer(self, plan: Plan, response: Response) -> None:
        body = b"" if plan.entry.method == "HEAD" else bytes(response.body)
        self._size += len(body)
        if self._size > LARGEST_ANSWER:
            raise BundleTooLarge("Its answer would be too large. Ask for less, or with Prefer: return=minimal.")
        self.answers[plan.entry.n] = answered(response.status_code, dict(response.headers), body)


def _named(resource: bytes, type_: str) -> Iterable[str]:
    """Ids of this type that a resource refers to."""
    return (found[1].decode() for found in re.finditer(rb'"%b\\?/([A-Za-z0-9\-.]{1,64})"' % type_.encode(), resource))
