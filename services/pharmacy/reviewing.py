"""The hospital's pharmacist approves a prescription or returns it; nobody but the doctor changes it (RX-11)."""

from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.ids import Ids
from record import write
from record.care import share
from record.stored import Stored
from services.pharmacy import store
from services.pharmacy.advancing import advance, lines_of
from services.pharmacy.documents import fhir as documents
from services.pharmacy.failures import DecisionUnknown
from services.pharmacy.order import Order
from services.pharmacy.policy import Stage


async def review(
    tx: Transaction, id: str, *, decision: str, reason: str, by: Principal, ids: Ids, now: datetime
) -> Stored:
    """Decide `approve` or `return`; returns the Task.

    Raises DecisionUnknown, OrderUnknown, NotReviewer, ReturnUnexplained, OrderElsewhere, PrescriptionExpired.
    """
    before = await store.held(tx, id)
    if decision == "approve":
        after = before.review(organization=by.organization, now=now)
    elif decision == "return":
        after = before.return_(organization=by.organization, reason=reason, now=now)
    else:
        raise DecisionUnknown
    await _prove(tx, after, decision, by=by, ids=ids, now=now)
    return await advance(tx, before, after, now=now)


async def _prove(tx: Transaction, order: Order, decision: str, *, by: Principal, ids: Ids, now: datetime) -> None:
    digest = await store.digest(tx, order.prescription)
    made = {"digest": digest, "by": by.fhir_user, "id": ids.new(), "now": now}
    await store.decide(tx, order.prescription, Stage.REVIEW, decision, **made)  # type: ignore[arg-type]
    lines = await lines_of(tx, order)
    body = documents.provenance(
        decision,
        [f"Task/{order.id}", *(f"{line.reference}/_history/{line.version}" for line in lines)],
        by=by.fhir_user,
        role="verifier",
        organization=by.organization,
        digest=digest,
        now=now,
    )
    proof = await write.create(tx, body, id=ids.new(), now=now, patient=order.patient)
    await share(tx, party=order.hospital_pharmacy, resources=[("Provenance", proof.id)])
