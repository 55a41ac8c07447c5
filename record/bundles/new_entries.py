"""New resources of a system, entered together by a few statements: what a load of another system's history consists of.

Each is put under its own id only where nothing is, so there is nothing to read, lock or replace. What comes of it is
what each entry alone would have made.
"""

from collections.abc import Iterable, Sequence

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.service import Room
from record import write
from record.audit import AuditEntry, written
from record.bundles.entries import at_entry
from record.bundles.plan import Plan
from record.failures import ExistsAlready, IdMismatch, ResourceDeleted, Subsetted
from record.interactions.cases import Cases
from record.interactions.interaction import Interaction
from record.interactions.summary import is_subsetted
from record.ownership import types
from record.stored import Stored
from record.validation.checking import check

Wanted = tuple[Plan, Interaction]


def is_plainly_new(plan: Plan, *, by: Principal, cases: Cases) -> bool:
    """Whether an entry only enters a resource under a system's own id, with no use case to be asked."""
    if by.role is not Role.SYSTEM or plan.entry.method != "PUT" or plan.id is None or plan.criteria is not None:
        return False
    with_case = cases.creates.keys() | cases.updates.keys() | cases.entries.keys()
    return plan.entry.if_none_match == "*" and plan.entry.if_match is None and plan.type not in with_case


async def enter(tx: Transaction, wanted: Sequence[Wanted], *, by: Principal, room: Room) -> list[Stored]:
    """Enter them all, each recorded. Raises ExistsAlready, ResourceDeleted, IdTaken and what `check` raises."""
    for plan, asked in wanted:
        with at_entry(plan.entry.n):
            _check(plan, asked.body)
    await _nothing_there(tx, [plan for plan, _ in wanted])
    now = room.clock.now()
    entered = await write.create_many(tx, ((plan.id or "", asked.body) for plan, asked in wanted), now=now)
    entries = [_entry(stored, asked, by) for stored, (_, asked) in zip(entered, wanted, strict=True)]
    await written(tx, *entries, ids=room.ids, now=now)
    return entered


def _check(plan: Plan, body: bytes) -> None:
    resource = check(body, type=plan.type)
    if resource.get("id") != plan.id:
        raise IdMismatch(expression=f"{plan.type}.id")
    if is_subsetted(resource):
        raise Subsetted(expression=f"{plan.type}.meta.tag")


async def _nothing_there(tx: Transaction, plans: Iterable[Plan]) -> None:
    """None of these ids is in use. Raises ExistsAlready, ResourceDeleted."""
    by_type: dict[str, dict[str, Plan]] = {}
    for plan in plans:
        by_type.setdefault(plan.type, {})[plan.id or ""] = plan
    for type_, wanted in by_type.items():
        rows = await tx.raw.fetch(
            f"select r.id, r.deleted from {types()[type_].partition} r"  # noqa: S608 - declared names
            f" where r.type = '{type_}' and r.id = any($1::text[]) order by r.id",
            list(wanted),
        )
        for row in rows:
            with at_entry(wanted[row["id"]].entry.n):
                raise ResourceDeleted if row["deleted"] else ExistsAlready


def _entry(stored: Stored, asked: Interaction, by: Principal) -> AuditEntry:
    return AuditEntry.by(
        by,
        "C",
        "create",
        stored.type,
        entity=stored.reference,
        version=stored.version,
        patient=stored.patient,
        request=asked.request,
    )
