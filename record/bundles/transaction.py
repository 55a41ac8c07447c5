"""A transaction Bundle: everything in it happens, or nothing (https://hl7.org/fhir/R4/http.html#transaction).

Deletes first, then creates, updates, and reads at last, in whatever order the entries stand. What each entry does is
what it would do alone: the same use cases, permissions and audit rows.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.service import Room
from record.bundles.acting import acting_as
from record.bundles.answers import answered, assembled
from record.bundles.entries import READS, Bundle, at_entry
from record.bundles.new_entries import enter, is_plainly_new
from record.bundles.plan import Plan, collide, planned
from record.bundles.reading import answer_reading
from record.bundles.resolving import Links
from record.bundles.runner import run_of
from record.bundles.subjects import Subjects
from record.failures import BundleTooLarge, EntryNotOffered, LinkUnresolved, SeveralOwners
from record.interactions.answers import changed
from record.interactions.asking import Changed
from record.interactions.cases import Cases
from record.interactions.changing import change
from record.interactions.edge import base_of, room_of
from record.interactions.interaction import Interaction, preferences
from record.read import MOST_BYTES
from record.stored import Stored

SECONDS_AT_MOST = 25.0
"""Less than the gateway waits, so that whoever sent it is told what became of it, and no locks stand after that."""


async def transact(request: Request, body: bytes, *, by: Principal, cases: Cases) -> bytes:
    """Carry out a transaction Bundle; the answer is a Bundle with an entry for each of its entries.

    Raises BundleUnreadable, BundleTooLarge, EntryUnreadable, EntryNotOffered, SeveralOwners, EntriesCollide,
    NotHistory, LinkUnresolved, TargetUnclear, MultipleMatches, Forbidden, TimeoutError, and whatever an entry alone
    would raise.
    """
    bundle = Bundle.read(body)
    if bundle.type != "transaction":
        raise EntryNotOffered("A batch is taken apart at the public address.", expression="Bundle.type")
    entries = bundle.read_all(base=base_of(request))
    run = run_of(entries, by.role)
    if run.room != room_of(request).name:
        raise SeveralOwners(f"This is for the room '{run.room}'.", expression="Bundle.entry")
    work = Work(request, by, cases, planned(entries), run.imported)
    async with asyncio.timeout(SECONDS_AT_MOST):
        return assembled("transaction-response", await work.do())


@dataclass
class Work:
    """One transaction under way."""

    request: Request
    by: Principal
    cases: Cases
    plans: list[Plan]
    imported: frozenset[int]
    answers: dict[int, bytes] = field(default_factory=dict)
    _changed: dict[str, Plan] = field(default_factory=dict)
    _size: int = 0

    def __post_init__(self) -> None:
        self.tx: Transaction = self.request.state.tx
        self.room: Room = room_of(self.request)
        now = self.room.clock.now()
        self.subjects = Subjects(self.tx, self.by, self.cases, self.plans, self.imported, self.room.ids, now)
        self.links = Links(self.plans, self.by, now)

    async def do(self) -> list[bytes]:
        """The answers, in the entries' own order. Whatever fails names its entry, and nothing of the rest remains."""
        await self.subjects.claim()
        for plan in self.subjects.of("DELETE"):
            await self._change(plan, b"")
        creates = self.subjects.of("POST")
        for plan in creates:
            await self.subjects.find(plan)
        # What a use case enters may turn out to be there already: it goes first, before others point at it.
        for plan in sorted(creates, key=lambda plan: plan.type not in self.cases.creates):
            await self._enter(plan)
        changes = sorted(self.subjects.of("PUT", "PATCH"), key=lambda plan: plan.reference)
        new = [plan for plan in changes if is_plainly_new(plan, by=self.by, cases=self._cases(plan))]
        for imported in (True, False):
            await self._enter_together([plan for plan in new if (plan.entry.n in self.imported) is imported])
        for plan in changes:
            if plan.entry.n not in self.answers:
                await self._enter(plan)
        await self._read()
        return [self.answers[n] for n in sorted(self.answers)]

    async def _enter(self, plan: Plan) -> None:
        with at_entry(plan.entry.n):
            resource = await self.links.resolved(self.tx, plan.entry) if plan.entry.method != "PATCH" else b""
        await self._change(plan, resource)

    async def _enter_together(self, plans: list[Plan]) -> None:
        """Enter new resources, all under one role, by a few statements."""
        wanted = []
        for plan in plans:
            with at_entry(plan.entry.n):
                wanted.append((plan, self._asked(plan, await self.links.resolved(self.tx, plan.entry))))
        if not wanted:
            return
        async with self.subjects.role(plans[0]):
            entered = await enter(self.tx, wanted, by=self.by, room=self.room)
        for stored, (plan, asked) in zip(entered, wanted, strict=True):
            self._turned_out(plan, stored, entered=True)
            self._answer(plan, changed(asked, Changed(stored, 201), base=base_of(self.request)))

    def _cases(self, plan: Plan) -> Cases:
        return Cases() if plan.entry.n in self.imported else self.cases

    async def _change(self, plan: Plan, resource: bytes) -> None:
        """Carry out one entry as its room would alone."""
        with at_entry(plan.entry.n):
            asked, cases = self._asked(plan, resource), self._cases(plan)
            async with self.subjects.role(plan):
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
        plans = self.subjects.of(*READS)
        if not plans:
            return
        async with self._reader():
            for plan in plans:
                with at_entry(plan.entry.n):
                    self._answer(plan, await answer_reading(self.request, plan.entry, self.by))

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
        if self._size > MOST_BYTES:
            raise BundleTooLarge("Its answer would be too large. Ask for less, or with Prefer: return=minimal.")
        self.answers[plan.entry.n] = answered(response.status_code, dict(response.headers), body)
