"""The pharmacy's private tables as rows and values; where a Task tells the same story, these rows decide."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    RowMapping,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from kernel.database import Crossed, Transaction
from services.pharmacy.failures import GroupTaken, OrderUnknown
from services.pharmacy.order import EXPIRING, Fill, Order, State
from services.pharmacy.policy import PACK, Stage, decided_at

metadata = MetaData(schema="pharmacy")

prescriptions = Table(
    "prescription",
    metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("group_value", "prescriber", "patient", "encounter", "hospital_pharmacy")),
    Column("document", LargeBinary),
    Column("digest", Text),
    Column("lines", ARRAY(Text)),
    Column("rule_pack", Text),
    Column("rule_version", Text),
    Column("rules", ARRAY(Text)),
    Column("authored_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("signature", Text),
    Column("kid", Text),
    Column("signed_at", DateTime(timezone=True)),
)
orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("group_value", "prescription", "patient", "encounter", "prescriber")),
    Column("hospital_pharmacy", Text),
    Column("authored_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("state", Text),
    Column("version", Integer),
    Column("pharmacy", Text),
    Column("releases", Integer),
    Column("reason", Text),
)
fills = Table(
    "fill",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("medication", Text),
    Column("unit", Text),
    Column("ordered", Numeric),
    Column("dispensed", Numeric),
    Column("place", Integer),
)
decisions = Table(
    "decision",
    metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("prescription", "stage", "outcome", "rule_pack", "rule_version")),
    Column("rules", ARRAY(Text)),
    Column("digest", Text),
    Column("by", Text),
    Column("at", DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prescription frozen as exact bytes. `lines` are `id/version` of the drafts it was made of."""

    id: str
    group: str
    prescriber: str
    patient: str
    encounter: str
    hospital_pharmacy: str
    document: bytes
    digest: str
    lines: tuple[str, ...]
    rule_pack: str
    rule_version: str
    rules: tuple[str, ...]
    authored_at: datetime
    expires_at: datetime


async def keep_prepared(tx: Transaction, prepared: Prepared) -> None:
    """Keep a prescription until it is signed; preparing it again replaces it."""
    row = _row(prepared)
    changed = {name: value for name, value in row.items() if name not in {"group_value", "prescriber"}}
    unsigned = prescriptions.c.signed_at.is_(None)
    keys = [prescriptions.c.group_value, prescriptions.c.prescriber]
    statement = upsert(prescriptions).values(**row)
    await tx.sql.execute(statement.on_conflict_do_update(index_elements=keys, index_where=unsigned, set_=changed))


async def prepared(tx: Transaction, group: str, *, prescriber: str) -> Prepared | None:
    """What waits for this doctor's signature in this group, locked so that it is signed once."""
    mine = (prescriptions.c.group_value == group) & (prescriptions.c.prescriber == prescriber)
    found = select(prescriptions).where(mine, prescriptions.c.signed_at.is_(None)).with_for_update()
    row = (await tx.sql.execute(found)).mappings().first()
    return _prepared(row) if row else None


async def sign(tx: Transaction, prepared: Prepared, *, signature: str, kid: str, now: datetime) -> None:
    """Seal a prepared prescription with its signature."""
    unsigned = (prescriptions.c.id == prepared.id) & prescriptions.c.signed_at.is_(None)
    sealed = update(prescriptions).where(unsigned).values(signature=signature, kid=kid, signed_at=now)
    if (await tx.sql.execute(sealed)).rowcount != 1:
        raise Crossed


async def document(tx: Transaction, prescription: str) -> bytes:
    """The bytes that were signed."""
    found = await tx.sql.execute(select(prescriptions.c.document).where(prescriptions.c.id == prescription))
    return bytes(found.scalar_one())


async def digest(tx: Transaction, prescription: str) -> str:
    """SHA-256 of the bytes that were signed, in hexadecimal."""
    found = await tx.sql.execute(select(prescriptions.c.digest).where(prescriptions.c.id == prescription))
    return str(found.scalar_one())


async def order(tx: Transaction, id: str) -> Order:
    """An order as it stands. Raises OrderUnknown."""
    found = await _order(tx, orders.c.id == id, lock=False)
    if found is None:
        raise OrderUnknown
    return found


async def held(tx: Transaction, id: str) -> Order:
    """The order, held against every other step until the transaction ends. Raises OrderUnknown."""
    found = await _order(tx, orders.c.id == id, lock=True)
    if found is None:
        raise OrderUnknown
    return found


async def order_of_group(tx: Transaction, group: str) -> Order | None:
    """The one order of a prescription group, held like `held`."""
    return await _order(tx, orders.c.group_value == group, lock=True)


async def due(tx: Transaction, *, now: datetime, limit: int) -> list[Order]:
    """Orders whose validity is over, locked; those another worker holds are left to it."""
    over = (orders.c.expires_at <= now) & orders.c.state.in_([state.value for state in EXPIRING])
    found = select(orders).where(over).order_by(orders.c.expires_at).limit(limit).with_for_update(skip_locked=True)
    rows = (await tx.sql.execute(found)).mappings().all()
    return [_valued(row, await _fills(tx, row["id"])) for row in rows]


async def add(tx: Transaction, new: Order) -> None:
    """Enter an order. Raises GroupTaken when another has come first."""
    fresh = upsert(orders).values(**_row(new)).on_conflict_do_nothing()
    if (await tx.sql.execute(fresh)).rowcount != 1:
        raise GroupTaken
    await _put_fills(tx, new)


async def change(tx: Transaction, before: Order, after: Order) -> None:
    """Put a step's outcome in the place of what stood, if that still stands. Raises Crossed."""
    standing = (orders.c.id == before.id) & (orders.c.version == before.version)
    if (await tx.sql.execute(update(orders).where(standing).values(**_row(after)))).rowcount != 1:
        raise Crossed
    if after.prescription != before.prescription:
        await tx.sql.execute(delete(fills).where(fills.c.order_id == after.id))
        await _put_fills(tx, after)
    elif after.fills != before.fills:
        await _hand_over(tx, before, after)


async def decide(
    tx: Transaction,
    prescription: str,
    stage: Stage,
    outcome: str,
    *,
    digest: str,
    by: str,
    id: str,
    now: datetime,
) -> None:
    """Note a decision: on which bytes, by whom, and by which rules of the pack in force."""
    rules = [rule.id for rule in decided_at(stage)]
    named = {"rule_pack": PACK.id, "rule_version": PACK.version, "rules": rules, "digest": digest}
    row = {"id": id, "prescription": prescription, "stage": stage.value, "outcome": outcome, "by": by, "at": now}
    await tx.sql.execute(insert(decisions).values(**row, **named))


async def _order(tx: Transaction, which: Any, *, lock: bool) -> Order | None:
    found = select(orders).where(which)
    row = (await tx.sql.execute(found.with_for_update() if lock else found)).mappings().first()
    return _valued(row, await _fills(tx, row["id"])) if row else None


async def _fills(tx: Transaction, order_id: str) -> Sequence[RowMapping]:
    found = select(fills).where(fills.c.order_id == order_id).order_by(fills.c.place)
    return (await tx.sql.execute(found)).mappings().all()


async def _put_fills(tx: Transaction, of: Order) -> None:
    rows = [{name: getattr(fill, name) for name in _FILL} for fill in of.fills]
    await tx.sql.execute(insert(fills), [{**row, "order_id": of.id, "place": n} for n, row in enumerate(rows)])


async def _hand_over(tx: Transaction, before: Order, after: Order) -> None:
    for was, now in zip(before.fills, after.fills, strict=True):
        if was != now:
            line = (fills.c.order_id == after.id) & (fills.c.request == was.request)
            unchanged = line & (fills.c.dispensed == was.dispensed)
            if (await tx.sql.execute(update(fills).where(unchanged).values(dispensed=now.dispensed))).rowcount != 1:
                raise Crossed


_FILL = tuple(field.name for field in fields(Fill))
_ORDER = tuple(field.name for field in fields(Order) if field.name not in {"group", "fills", "state"})


def _row(of: Order | Prepared) -> dict[str, Any]:
    row = {field.name: getattr(of, field.name) for field in fields(of) if field.name not in {"group", "fills"}}
    listed = {name: list(value) for name, value in row.items() if isinstance(value, tuple)}
    return {**row, **listed, "group_value": of.group}


def _valued(row: RowMapping, filled: Sequence[RowMapping]) -> Order:
    lines = tuple(Fill(**{name: line[name] for name in _FILL}) for line in filled)
    named = {name: row[name] for name in _ORDER}
    return Order(group=row["group_value"], state=State(row["state"]), fills=lines, **named)


def _prepared(row: RowMapping) -> Prepared:
    named = {field.name: row[field.name] for field in fields(Prepared) if field.name != "group"}
    lines, rules = tuple(named.pop("lines")), tuple(named.pop("rules"))
    return Prepared(group=row["group_value"], lines=lines, rules=rules, **named)
