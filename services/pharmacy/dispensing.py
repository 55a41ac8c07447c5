"""The pharmacy hands medicines over, line by line, never more than the doctor ordered."""

from collections.abc import Sequence
from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.ids import Ids
from record import write
from record.care import share
from record.stored import Stored
from services.pharmacy import fhir, store
from services.pharmacy.advancing import advance, lines_of
from services.pharmacy.claiming import opened
from services.pharmacy.documents import fhir as documents
from services.pharmacy.order import Item, Order


async def dispense(
    tx: Transaction, id: str, items: Sequence[Item], *, secret: str, by: Principal, key: bytes, ids: Ids, now: datetime
) -> list[Stored]:
    """Record what is handed over; returns the MedicationDispenses.

    Raises the failures of `claiming.opened` and of `Order.dispense`.
    """
    before = opened(await store.held(tx, id), secret=secret, by=by, key=key)
    after = before.dispense(items, organization=by.organization, now=now)
    requests = {line.id: line.body for line in await lines_of(tx, after)}
    handed = []
    for item in items:
        body = _record(after, item, requests[item.request], by=by, now=now)
        handed.append(await write.create(tx, body, id=ids.new(), now=now))
    proof = await _prove(tx, after, handed, by=by, ids=ids, now=now)
    shown = [*((one.type, one.id) for one in handed), (proof.type, proof.id)]
    for party in {after.owner, after.hospital_pharmacy}:
        await share(tx, party=party, resources=shown)
    await advance(tx, before, after, now=now)
    return handed


def _record(order: Order, item: Item, request: bytes, *, by: Principal, now: datetime) -> bytes:
    fill = next(one for one in order.fills if one.request == item.request)
    ordered = fhir.decode(request)["dispenseRequest"]["quantity"]
    quantity = {**ordered, "value": item.quantity}
    return fhir.dispense(order, fill, quantity, request=request, by=by.fhir_user, now=now)


async def _prove(
    tx: Transaction, order: Order, handed: list[Stored], *, by: Principal, ids: Ids, now: datetime
) -> Stored:
    body = documents.provenance(
        "dispense",
        [f"{one.reference}/_history/{one.version}" for one in handed],
        by=by.fhir_user,
        role="performer",
        organization=by.organization,
        digest=await store.digest(tx, order.prescription),
        now=now,
    )
    return await write.create(tx, body, id=ids.new(), now=now, patient=order.patient)
