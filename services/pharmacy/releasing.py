"""The patient chooses who fills the order, and gets the code that opens it there."""

from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.ids import Ids, derived
from record import read
from record.care import share
from record.failures import ResourceDeleted, ResourceUnknown
from record.stored import Stored
from record.visible import visible_to
from services.pharmacy import fhir, pickup, store
from services.pharmacy.advancing import advance, lines_of
from services.pharmacy.failures import NotAPharmacy, NotReleased, OrderUnknown
from services.pharmacy.order import Order, State
from services.pharmacy.policy import Stage


async def choose_pharmacy(
    tx: Transaction, id: str, *, pharmacy: str, by: Principal, key: bytes, ids: Ids, now: datetime
) -> tuple[Stored, str]:
    """Release the order to a pharmacy; returns its Task and the pick-up code.

    Raises OrderUnknown, NotAPharmacy, NotReviewed, OrderElsewhere, PrescriptionExpired.
    """
    before = await store.held(tx, id)
    _own(before, by)
    after = before.release(pharmacy=pharmacy, now=now)
    await _open_pharmacy(tx, pharmacy, by=by)
    await _note(tx, after, by=by, ids=ids, now=now)
    await _show_to(tx, after, pharmacy)
    task = await advance(tx, before, after, now=now)
    return task, pickup.code(key, order=after.id, releases=after.releases)


async def pickup_code(tx: Transaction, id: str, *, by: Principal, key: bytes) -> str:
    """The present pick-up code of the patient's own order. Raises OrderUnknown, NotReleased."""
    order = await store.order(tx, id)
    _own(order, by)
    if order.state is not State.RELEASED:
        raise NotReleased(f"The order is {order.state}.")
    return pickup.code(key, order=order.id, releases=order.releases)


def _own(order: Order, by: Principal) -> None:
    if by.patient != order.patient:
        raise OrderUnknown


async def _open_pharmacy(tx: Transaction, pharmacy: str, *, by: Principal) -> None:
    try:
        organization = await read.read(tx, "Organization", fhir.id_of(pharmacy), visible=visible_to(by))
    except (ResourceUnknown, ResourceDeleted) as unknown:
        raise NotAPharmacy from unknown
    if not fhir.is_pharmacy(organization.resource):
        raise NotAPharmacy


async def _note(tx: Transaction, order: Order, *, by: Principal, ids: Ids, now: datetime) -> None:
    digest = await store.digest(tx, order.prescription)
    made = {"digest": digest, "by": by.fhir_user, "id": ids.new(), "now": now}
    await store.decide(tx, order.prescription, Stage.RELEASE, "pass", **made)  # type: ignore[arg-type]


async def _show_to(tx: Transaction, order: Order, pharmacy: str) -> None:
    """Let the chosen pharmacy see what filling needs: no visit, no allergies."""
    lines = await lines_of(tx, order)
    reasons = {fhir.id_of(reason) for line in lines for reason in fhir.reasons(line.resource)}
    proof = derived("prescribed", order.prescription)
    resources = [("Task", order.id), ("Patient", order.patient), ("Provenance", proof)]
    resources += [("MedicationRequest", line.id) for line in lines] + [("Condition", id) for id in reasons]
    await share(tx, party=pharmacy, resources=resources)
