"""The resources a transaction is about: found, told apart and held before the first of them changes."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.failures import Forbidden
from kernel.ids import Ids
from record.bundles.acting import acting_as
from record.bundles.entries import READS, at_entry
from record.bundles.plan import Plan, collide
from record.failures import NotHistory, ResourceDeleted, ResourceUnknown
from record.interactions.cases import Cases
from record.interactions.conditional import hold, the_one
from record.ownership import types
from record.read import read
from record.schema import IMPORT
from record.search.query import parse
from record.visible import Everything, condition, visible_to


@dataclass(frozen=True, slots=True)
class Subjects:
    """What the entries of one transaction name, for the account that sent it."""

    tx: Transaction
    by: Principal
    cases: Cases
    plans: Sequence[Plan]
    imported: frozenset[int]
    """Entries that are only written down: finished history of another room's types."""
    ids: Ids
    now: datetime

    def of(self, *methods: str) -> list[Plan]:
        """The entries with these methods."""
        return [plan for plan in self.plans if plan.entry.method in methods]

    async def claim(self) -> None:
        """Find what is changed by name, and hold it all against other transactions.

        Raises Forbidden, EntriesCollide, MultipleMatches, NotHistory and what criteria raise.
        """
        for plan in self.plans:
            with at_entry(plan.entry.n):
                self._permitted(plan)
                if plan.criteria is not None:
                    parse(plan.type, plan.criteria, now=self.now)
        await hold(self.tx, self._holds(), now=self.now)
        for plan in self.of("PUT", "PATCH", "DELETE"):
            await self.find(plan)
        self._apart()
        for type_ in sorted({plan.type for plan in self.plans} - self.cases.entries.keys()):
            await self._lock(type_)
        for plan in self.of("PUT"):
            if plan.entry.n in self.imported and types()[plan.type].finished:
                await self._over(plan)

    async def find(self, plan: Plan) -> None:
        """Which resource an entry is about: one that is there, or one under an id given now. Raises MultipleMatches."""
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
                plan.id = self.ids.new()
            elif plan.entry.method == "PUT":
                plan.id = plan.entry.gist.id or self.ids.new()

    @asynccontextmanager
    async def role(self, plan: Plan) -> AsyncIterator[None]:
        """The role that writes an entry: the room's own, or the import's."""
        if plan.entry.n not in self.imported:
            yield
            return
        async with acting_as(self.tx, IMPORT):
            yield

    def _permitted(self, plan: Plan) -> None:
        """Refuse before anything is locked what this role may not do at all."""
        rules, method = types()[plan.type], plan.entry.method
        by_case = method == "PUT" and plan.type in self.cases.entries
        if method not in READS and self.by.role not in rules.writers and not by_case:
            raise Forbidden
        if plan.criteria is not None and self.by.role not in rules.readers:
            raise Forbidden

    def _holds(self) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
        """Everything that another transaction may want too."""
        for plan in self.plans:
            if plan.criteria is not None:
                yield plan.type, plan.criteria
        for type_ in self.cases.entries:
            # A use case takes their rows in its own order, so whoever names them waits here.
            ids = {plan.id for plan in self.plans if plan.type == type_ and plan.id}
            ids |= {id_ for plan in self.of("POST") for id_ in _named(plan.entry.resource, type_)}
            yield from ((type_, [("_id", id_)]) for id_ in ids)

    def _apart(self) -> None:
        """No resource is found by two entries. Raises EntriesCollide."""
        seen: dict[str, Plan] = {}
        for plan in self.plans:
            if plan.id is not None:
                collide(seen.setdefault(plan.reference, plan), plan)

    async def _lock(self, type_: str) -> None:
        """Hold a type's rows that will change, in one order, so that crossing transactions wait for one another."""
        plans = [plan for plan in self.of("PUT", "PATCH", "DELETE") if plan.type == type_ and plan.id]
        if not plans or types()[type_].append_only:
            return
        seen, arguments = condition(visible_to(self.by), types()[type_], at=2)
        async with self.role(plans[0]):
            await self.tx.raw.execute(
                f"select 1 from {types()[type_].partition} r where r.type = '{type_}' and r.id = any($1::text[])"  # noqa: S608 - declared names
                f" and {seen} order by r.id for update of r",
                *([plan.id for plan in plans], *arguments),
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


def _named(resource: bytes, type_: str) -> Iterator[str]:
    """Ids of this type that a resource refers to."""
    return (found[1].decode() for found in re.finditer(rb'"%b\\?/([A-Za-z0-9\-.]{1,64})"' % type_.encode(), resource))
