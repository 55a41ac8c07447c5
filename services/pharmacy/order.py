"""A prescription's way from the doctor's signature to the patient's hand: one state machine, one table.

Shown to others as a Task (https://hl7.org/fhir/R4/task.html); here it is a value and knows no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.pharmacy.failures import (
    GroupTaken,
    LineUnknown,
    NothingDispensed,
    NotPrescriber,
    NotReviewed,
    NotReviewer,
    OrderElsewhere,
    OverDispensed,
    PrescriptionExpired,
    QuantityUnfit,
    ReturnUnexplained,
    WrongPharmacy,
)


class State(StrEnum):
    """Where an order stands; the code of Task.businessStatus."""

    SUBMITTED = "submitted"
    RETURNED = "returned"
    REVIEWED = "reviewed"
    RELEASED = "released"
    CLAIMED = "claimed"
    DISPENSED = "dispensed"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Step(StrEnum):
    """What can happen to an order."""

    RETURN = "return"
    CORRECT = "correct"
    REVIEW = "review"
    RELEASE = "release"
    CLAIM = "claim"
    DISPENSE = "dispense"
    CLOSE = "close"
    CANCEL = "cancel"
    EXPIRE = "expire"


NEXT: Mapping[State, Mapping[Step, State]] = {
    State.SUBMITTED: {
        Step.RETURN: State.RETURNED,
        Step.REVIEW: State.REVIEWED,
        Step.CANCEL: State.CANCELLED,
        Step.EXPIRE: State.EXPIRED,
    },
    State.RETURNED: {Step.CORRECT: State.SUBMITTED, Step.CANCEL: State.CANCELLED, Step.EXPIRE: State.EXPIRED},
    State.REVIEWED: {Step.RELEASE: State.RELEASED, Step.CANCEL: State.CANCELLED, Step.EXPIRE: State.EXPIRED},
    State.RELEASED: {
        Step.RELEASE: State.RELEASED,
        Step.CLAIM: State.CLAIMED,
        Step.CANCEL: State.CANCELLED,
        Step.EXPIRE: State.EXPIRED,
    },
    State.CLAIMED: {Step.DISPENSE: State.DISPENSED, Step.EXPIRE: State.EXPIRED},
    State.DISPENSED: {Step.DISPENSE: State.DISPENSED, Step.CLOSE: State.CLOSED},
    State.CLOSED: {},
    State.CANCELLED: {},
    State.EXPIRED: {},
}
"""The whole state machine: from a state, by a step, to a state. What is not here does not happen."""

UNREVIEWED = frozenset({State.SUBMITTED, State.RETURNED})
AFTER_REVIEW = frozenset({Step.RELEASE, Step.CLAIM, Step.DISPENSE, Step.CLOSE})
EXPIRING = frozenset(state for state, steps in NEXT.items() if Step.EXPIRE in steps)
"""States that end by themselves when the prescription's validity does."""


LARGEST = Decimal(1_000_000)
FINEST = -6


def is_amount(value: Decimal | None) -> bool:
    """Whether this much can be ordered or handed over: more than nothing, at most a million, six decimals at most."""
    if value is None or not value.is_finite() or not 0 < value <= LARGEST:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= FINEST


@dataclass(frozen=True, slots=True)
class Item:
    """So much of one line that is handed over: its MedicationRequest's id, how much, in which unit (its UCUM code)."""

    request: str
    quantity: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Fill:
    """One line of an order: the MedicationRequest's id, what was ordered and what was handed over of it."""

    request: str
    medication: str
    unit: str
    ordered: Decimal
    dispensed: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        return self.ordered - self.dispensed

    def hand_over(self, item: Item) -> "Fill":
        """The line with so much more handed over. Raises QuantityUnfit, OverDispensed."""
        if item.unit != self.unit or not is_amount(item.quantity):
            raise QuantityUnfit(f"MedicationRequest/{self.request} is ordered in {self.unit}.")
        if item.quantity > self.left:
            raise OverDispensed(f"MedicationRequest/{self.request}: {self.left} {self.unit} are left.")
        return replace(self, dispensed=self.dispensed + item.quantity)


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands. People and organizations are references, `patient` is an id, `version` the Task's."""

    id: str
    group: str
    prescription: str
    patient: str
    encounter: str
    prescriber: str
    hospital_pharmacy: str
    fills: tuple[Fill, ...]
    authored_at: datetime
    expires_at: datetime
    state: State = State.SUBMITTED
    version: int = 1
    pharmacy: str | None = None
    releases: int = 0
    reason: str | None = None

    @property
    def owner(self) -> str:
        """Who has to act: the hospital's pharmacy, then the one the patient chose."""
        return self.pharmacy or self.hospital_pharmacy

    def return_(self, *, organization: str, reason: str, now: datetime) -> "Order":
        """Send it back to the doctor, unchanged (RX-11). Raises NotReviewer, ReturnUnexplained."""
        self._reviewed_by(organization)
        if not reason.strip():
            raise ReturnUnexplained
        return self._stepped(Step.RETURN, now=now, reason=reason.strip())

    def review(self, *, organization: str, now: datetime) -> "Order":
        """Approve it (RX-12): from here on it may be filled. Raises NotReviewer."""
        self._reviewed_by(organization)
        return self._stepped(Step.REVIEW, now=now, reason=None)

    def correctable(self, *, by: str, encounter: str) -> None:
        """Let only its own doctor, in its own visit, correct what came back. Raises GroupTaken, OrderElsewhere."""
        if self.prescriber != by or self.encounter != encounter:
            raise GroupTaken
        if self.state is not State.RETURNED:
            raise OrderElsewhere(f"It is {self.state}.")

    def correct(
        self, *, prescription: str, fills: tuple[Fill, ...], authored_at: datetime, expires_at: datetime, now: datetime
    ) -> "Order":
        """The doctor signed anew after a return: the new lines take the place of the old."""
        renewed = replace(self, authored_at=authored_at, expires_at=expires_at)
        return renewed._stepped(Step.CORRECT, now=now, prescription=prescription, fills=fills, reason=None)

    def release(self, *, pharmacy: str, now: datetime) -> "Order":
        """The patient chooses where to have it filled, and may choose anew until it is claimed."""
        return self._stepped(Step.RELEASE, now=now, pharmacy=pharmacy, releases=self.releases + 1)

    def claim(self, *, organization: str, now: datetime) -> "Order":
        """The chosen pharmacy takes it; taking it again changes nothing. Raises WrongPharmacy."""
        self.filled_by(organization)
        if self.state in {State.CLAIMED, State.DISPENSED}:
            return self
        return self._stepped(Step.CLAIM, now=now)

    def dispense(self, items: Sequence[Item], *, organization: str, now: datetime) -> "Order":
        """Hand over these items, one per line at most, never more than is left.

        Raises WrongPharmacy, LineUnknown, QuantityUnfit, OverDispensed.
        """
        self.filled_by(organization)
        asked = {item.request: item for item in items}
        if not items or len(asked) != len(items):
            raise QuantityUnfit
        if unknown := set(asked) - {fill.request for fill in self.fills}:
            raise LineUnknown(f"MedicationRequest/{min(unknown)}")
        fills = tuple(fill.hand_over(asked[fill.request]) if fill.request in asked else fill for fill in self.fills)
        return self._stepped(Step.DISPENSE, now=now, fills=fills)

    def close(self, *, organization: str) -> "Order":
        """The pharmacy is done with it. Raises WrongPharmacy, NothingDispensed."""
        self.filled_by(organization)
        if self.state is State.CLAIMED:
            raise NothingDispensed
        return self._stepped(Step.CLOSE)

    def cancel(self, *, by: str, reason: str | None) -> "Order":
        """The doctor withdraws it before a pharmacy has claimed it. Raises NotPrescriber."""
        if by != self.prescriber:
            raise NotPrescriber
        return self._stepped(Step.CANCEL, reason=reason)

    def expire(self, *, now: datetime) -> "Order":
        """End it when its validity is over; before that, and where it has ended, nothing happens."""
        if now < self.expires_at or self.state not in EXPIRING:
            return self
        return self._stepped(Step.EXPIRE)

    def _reviewed_by(self, organization: str) -> None:
        if organization != self.hospital_pharmacy:
            raise NotReviewer

    def filled_by(self, organization: str) -> None:
        """Let only the chosen pharmacy through. Raises NotReviewed, WrongPharmacy."""
        if self.state in UNREVIEWED:
            raise NotReviewed
        if self.pharmacy is None or organization != self.pharmacy:
            raise WrongPharmacy

    def _stepped(self, step: Step, *, now: datetime | None = None, **changes: object) -> "Order":
        """The order after a step. With `now`, a step that needs a valid prescription."""
        after = NEXT[self.state].get(step)
        if after is None and step in AFTER_REVIEW and self.state in UNREVIEWED:
            raise NotReviewed
        if after is None:
            raise OrderElsewhere(f"It is {self.state}.")
        if now is not None and now >= self.expires_at:
            raise PrescriptionExpired
        return replace(self, state=after, version=self.version + 1, **changes)  # type: ignore[arg-type]
