"""The chosen pharmacy takes the order with the patient's code; one claim wins, and can be recovered."""

from dataclasses import dataclass
from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from services.pharmacy import pickup, store
from services.pharmacy.advancing import advance
from services.pharmacy.failures import CodeWrong, SecretWrong
from services.pharmacy.order import Order


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim's secret, which every further step needs, and whose order it is."""

    secret: str
    patient: str


async def claim(tx: Transaction, id: str, *, code: str, by: Principal, key: bytes, now: datetime) -> Claimed:
    """Claim the order, or recover the own claim.

    Raises OrderUnknown, NotReviewed, WrongPharmacy, CodeWrong, OrderElsewhere, PrescriptionExpired.
    """
    before = await store.held(tx, id)
    after = before.claim(organization=by.organization, now=now)
    if not pickup.matches(code, pickup.code(key, order=before.id, releases=before.releases)):
        raise CodeWrong
    if after is not before:
        await advance(tx, before, after, now=now)
    return Claimed(_secret(after, by, key), after.patient)


def opened(order: Order, *, secret: str, by: Principal, key: bytes) -> Order:
    """The order, if this is the pharmacy that claimed it. Raises NotReviewed, WrongPharmacy, SecretWrong."""
    order.filled_by(by.organization)
    if not pickup.matches(secret, _secret(order, by, key)):
        raise SecretWrong
    return order


def _secret(order: Order, by: Principal, key: bytes) -> str:
    return pickup.secret(key, order=order.id, releases=order.releases, pharmacy=by.organization)
