"""The numbered ticket of a waiting patient (候诊号)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from kernel.clock import local


class TicketState(StrEnum):
    """Where a patient is in the queue."""

    WAITING = "waiting"
    CALLED = "called"
    IN_VISIT = "in-visit"
    DONE = "done"
    MISSED = "missed"


NEXT: Mapping[TicketState, frozenset[TicketState]] = {
    TicketState.WAITING: frozenset({TicketState.CALLED, TicketState.MISSED}),
    TicketState.CALLED: frozenset({TicketState.CALLED, TicketState.IN_VISIT, TicketState.MISSED}),
    TicketState.IN_VISIT: frozenset({TicketState.DONE}),
    TicketState.DONE: frozenset(),
    TicketState.MISSED: frozenset({TicketState.WAITING}),
}
"""Every step a ticket may take. A missed turn (过号) waits again with a new number."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One patient's place in one doctor's queue."""

    appointment: str
    queue: str
    day: date
    number: int
    state: TicketState
    patient: str


def queue_day(starts_at: datetime) -> date:
    """The day whose numbers a visit belongs to: its own, on the hospital's calendar."""
    return local(starts_at).date()


def check_in_window(
    starts_at: datetime, ends_at: datetime, *, opens: timedelta, closes: timedelta
) -> tuple[datetime, datetime]:
    """From when until when a patient may check in."""
    return starts_at - opens, ends_at + closes
