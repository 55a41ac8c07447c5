"""Whatever falls in the middle of a visit, nothing acknowledged is lost and the next visit goes as ever."""

import pytest

from tests.journeys.faults import Fault, disturbed, flushing, killing, lost
from tests.support.platform import Platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("fault", "after_step"),
    [(killing("appointments"), 4), (killing("postgres"), 11), (flushing, 5)],
    ids=["appointments", "postgres", "valkey-flushed"],
)
def test_nothing_acknowledged_is_lost(platform: Platform, fault: Fault, after_step: int) -> None:
    """A killed room, a killed database, an emptied Valkey: what was acknowledged stands, and the next visit passes."""
    visit = disturbed(platform, fault, after_step=after_step, pause=0.05)
    assert visit.acknowledged
    assert lost(platform, visit) == []
    again = platform.demo()
    assert again.returncode == 0, again.stdout
