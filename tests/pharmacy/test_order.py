"""The order's state machine: what no sequence of steps may ever reach."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.failures import Failure
from services.pharmacy.failures import (
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
from services.pharmacy.order import AFTER_REVIEW, EXPIRING, NEXT, Fill, Item, Order, State, Step
from tests.pharmacy.orders import CHOSEN, DOCTOR, HOSPITAL_PHARMACY, MIDNIGHT, NOON, OTHER, order

PARTIES = st.sampled_from([HOSPITAL_PHARMACY, CHOSEN, OTHER])
QUANTITIES = st.decimals(min_value="-1", max_value="12", places=2)


class Walk(RuleBasedStateMachine):
    """Any sequence of steps, by anyone, at any time of the day and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.order = order("10", "2.5")
        self.now = NOON
        self.handed: dict[str, Decimal] = {}
        self.approved = False

    def _try(self, act: Callable[[], Order]) -> Order | None:
        before = self.order
        try:
            self.order = act()
        except Failure:
            assert self.order is before
            return None
        if self.order is not before:
            assert self.order.version == before.version + 1
            assert self.order.state in NEXT[before.state].values()
        return self.order

    @rule(hours=st.integers(0, 5))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(organization=PARTIES)
    def review(self, organization: str) -> None:
        if self._try(lambda: self.order.review(organization=organization, now=self.now)):
            assert organization == HOSPITAL_PHARMACY
            self.approved = True

    @rule(organization=PARTIES, reason=st.sampled_from(["", " ", "too much"]))
    def return_(self, organization: str, reason: str) -> None:
        lines = self.order.fills
        if self._try(lambda: self.order.return_(organization=organization, reason=reason, now=self.now)):
            assert organization == HOSPITAL_PHARMACY
            assert reason.strip()
            assert self.order.fills == lines

    @rule()
    def correct(self) -> None:
        fills = (Fill("line-0", "Medication/m0", "tablet", Decimal("4")),)
        renewed = {"prescription": "next", "fills": fills, "authored_at": self.now, "expires_at": MIDNIGHT}
        if self._try(lambda: self.order.correct(**renewed, now=self.now)):  # type: ignore[arg-type]
            assert not self.handed
            self.approved = False

    @rule(pharmacy=PARTIES)
    def release(self, pharmacy: str) -> None:
        releases = self.order.releases
        if self._try(lambda: self.order.release(pharmacy=pharmacy, now=self.now)):
            assert self.order.releases == releases + 1

    @rule(organization=PARTIES)
    def claim(self, organization: str) -> None:
        if self._try(lambda: self.order.claim(organization=organization, now=self.now)):
            assert organization == self.order.pharmacy

    @rule(organization=PARTIES, line=st.sampled_from(["line-0", "line-1", "line-9"]), quantity=QUANTITIES)
    def dispense(self, organization: str, line: str, quantity: Decimal) -> None:
        items = [Item(line, quantity, "tablet")]
        if self._try(lambda: self.order.dispense(items, organization=organization, now=self.now)):
            assert organization == self.order.pharmacy
            assert self.now < MIDNIGHT
            self.handed[line] = self.handed.get(line, Decimal(0)) + quantity

    @rule(organization=PARTIES)
    def close(self, organization: str) -> None:
        if self._try(lambda: self.order.close(organization=organization)):
            assert self.handed

    @rule(by=st.sampled_from([DOCTOR, "Practitioner/doctor-2"]))
    def cancel(self, by: str) -> None:
        if self._try(lambda: self.order.cancel(by=by, reason=None)):
            assert by == DOCTOR
            assert not self.handed

    @rule()
    def expire(self) -> None:
        before = self.order
        after = before.expire(now=self.now)
        assert (after is not before) == (self.now >= MIDNIGHT and before.state in EXPIRING)
        assert after.expire(now=self.now) is after
        self.order = after

    @invariant()
    def nothing_happens_before_approval(self) -> None:
        if self.order.state in {State.REVIEWED, State.RELEASED, State.CLAIMED, State.DISPENSED, State.CLOSED}:
            assert self.approved
        if self.order.pharmacy:
            assert self.approved

    @invariant()
    def never_more_than_ordered(self) -> None:
        for fill in self.order.fills:
            assert Decimal(0) <= fill.dispensed <= fill.ordered
            assert fill.dispensed == self.handed.get(fill.request, Decimal(0))


TestWalk = Walk.TestCase


def released() -> Order:
    """An order for which the patient has chosen a pharmacy."""
    return order().review(organization=HOSPITAL_PHARMACY, now=NOON).release(pharmacy=CHOSEN, now=NOON)


def claimed() -> Order:
    """An order the chosen pharmacy has claimed."""
    return released().claim(organization=CHOSEN, now=NOON)


def test_next_is_total() -> None:
    """Every state has its row, every step leads somewhere known, and only three states are final."""
    assert set(NEXT) == set(State)
    assert {step for steps in NEXT.values() for step in steps} == set(Step)
    assert {state for state, steps in NEXT.items() if not steps} == {State.CLOSED, State.CANCELLED, State.EXPIRED}


@given(st.lists(st.sampled_from(list(Step)), max_size=12))
def test_no_path_round_review(steps: list[Step]) -> None:
    """No path through the table reaches a filled order except over the review's approval."""
    state = State.SUBMITTED
    taken: list[Step] = []
    for step in steps:
        if step in NEXT[state]:
            state = NEXT[state][step]
            taken.append(step)
    if set(taken) & AFTER_REVIEW:
        assert Step.REVIEW in taken[: min(taken.index(step) for step in set(taken) & AFTER_REVIEW)]


@pytest.mark.parametrize(
    "act",
    [
        lambda o: o.release(pharmacy=CHOSEN, now=NOON),
        lambda o: o.claim(organization=CHOSEN, now=NOON),
        lambda o: o.dispense([Item("line-0", Decimal(1), "tablet")], organization=CHOSEN, now=NOON),
        lambda o: o.close(organization=CHOSEN),
    ],
)
@pytest.mark.parametrize("returned", [False, True])
def test_unreviewed_is_refused_by_rx_12(act: Callable[[Order], Order], returned: bool) -> None:
    """Before an approval nothing is chosen, claimed, dispensed or closed (RX-12)."""
    standing = order()
    if returned:
        standing = standing.return_(organization=HOSPITAL_PHARMACY, reason="dose", now=NOON)
    with pytest.raises(NotReviewed):
        act(standing)


def test_only_the_hospitals_pharmacy_reviews() -> None:
    """A pharmacist of another organization neither approves nor returns."""
    with pytest.raises(NotReviewer):
        order().review(organization=CHOSEN, now=NOON)
    with pytest.raises(NotReviewer):
        order().return_(organization=CHOSEN, reason="dose", now=NOON)


def test_return_needs_a_reason() -> None:
    """A return without a reason is refused (RX-11), one with a reason tells it."""
    with pytest.raises(ReturnUnexplained):
        order().return_(organization=HOSPITAL_PHARMACY, reason="  ", now=NOON)
    assert order().return_(organization=HOSPITAL_PHARMACY, reason=" dose ", now=NOON).reason == "dose"


def test_another_pharmacy_is_turned_away() -> None:
    """Only the chosen pharmacy claims, dispenses and closes."""
    with pytest.raises(WrongPharmacy):
        released().claim(organization=OTHER, now=NOON)
    with pytest.raises(WrongPharmacy):
        claimed().dispense([Item("line-0", Decimal(1), "tablet")], organization=OTHER, now=NOON)
    with pytest.raises(WrongPharmacy):
        claimed().close(organization=OTHER)


def test_claiming_again_changes_nothing() -> None:
    """The pharmacy that lost the answer claims again and the order stays as it is."""
    assert claimed().claim(organization=CHOSEN, now=NOON) == claimed()


def test_choosing_anew_until_claimed() -> None:
    """The patient may choose another pharmacy until one has claimed the order."""
    again = released().release(pharmacy=OTHER, now=NOON)
    assert (again.pharmacy, again.releases) == (OTHER, 2)
    with pytest.raises(OrderElsewhere):
        claimed().release(pharmacy=OTHER, now=NOON)


def test_part_fills_add_up() -> None:
    """A line may be handed over in parts, up to what was ordered and no further."""
    part = claimed().dispense([Item("line-0", Decimal("13.5"), "tablet")], organization=CHOSEN, now=NOON)
    with pytest.raises(OverDispensed):
        part.dispense([Item("line-0", Decimal("0.6"), "tablet")], organization=CHOSEN, now=NOON)
    full = part.dispense([Item("line-0", Decimal("0.5"), "tablet")], organization=CHOSEN, now=NOON)
    assert full.fills[0].left == 0
    assert full.close(organization=CHOSEN).state is State.CLOSED


@pytest.mark.parametrize(
    "quantity", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal("1e-30"), Decimal("1e30")]
)
def test_unfit_quantities(quantity: Decimal) -> None:
    """Nothing, less than nothing and what is no number is not handed over."""
    with pytest.raises(QuantityUnfit):
        claimed().dispense([Item("line-0", quantity, "tablet")], organization=CHOSEN, now=NOON)


def test_dispense_names_lines_of_the_order_in_its_unit() -> None:
    """Another unit, a foreign line, a line named twice and an empty list are refused."""
    with pytest.raises(QuantityUnfit):
        claimed().dispense([Item("line-0", Decimal(1), "box")], organization=CHOSEN, now=NOON)
    with pytest.raises(LineUnknown):
        claimed().dispense([Item("line-9", Decimal(1), "tablet")], organization=CHOSEN, now=NOON)
    with pytest.raises(QuantityUnfit):
        claimed().dispense([Item("line-0", Decimal(1), "tablet")] * 2, organization=CHOSEN, now=NOON)
    with pytest.raises(QuantityUnfit):
        claimed().dispense([], organization=CHOSEN, now=NOON)


def test_close_needs_a_dispense() -> None:
    """An order of which nothing was handed over is not closed."""
    with pytest.raises(NothingDispensed):
        claimed().close(organization=CHOSEN)


def test_cancel_is_the_prescribers_and_ends_with_the_claim() -> None:
    """The prescriber withdraws before the claim; another doctor never, and nobody after it."""
    with pytest.raises(NotPrescriber):
        released().cancel(by="Practitioner/doctor-2", reason=None)
    assert released().cancel(by=DOCTOR, reason="allergy").state is State.CANCELLED
    with pytest.raises(OrderElsewhere):
        claimed().cancel(by=DOCTOR, reason=None)


@pytest.mark.parametrize("at", [MIDNIGHT, MIDNIGHT + timedelta(days=2)])
def test_after_its_day_it_is_not_filled(at: datetime) -> None:
    """A prescription past its validity is neither reviewed, chosen for, claimed nor dispensed (RX-01)."""
    items = [Item("line-0", Decimal(1), "tablet")]
    with pytest.raises(PrescriptionExpired):
        order().review(organization=HOSPITAL_PHARMACY, now=at)
    with pytest.raises(PrescriptionExpired):
        released().release(pharmacy=OTHER, now=at)
    with pytest.raises(PrescriptionExpired):
        released().claim(organization=CHOSEN, now=at)
    with pytest.raises(PrescriptionExpired):
        claimed().dispense(items, organization=CHOSEN, now=at)


def test_what_was_handed_over_in_time_can_be_closed_later() -> None:
    """Closing is book-keeping: it does not need a valid prescription, and a dispensed order does not expire."""
    part = claimed().dispense([Item("line-0", Decimal(1), "tablet")], organization=CHOSEN, now=NOON)
    assert part.expire(now=MIDNIGHT) is part
    assert part.close(organization=CHOSEN).state is State.CLOSED
