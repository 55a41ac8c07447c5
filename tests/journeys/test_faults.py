"""What falls in the middle of a visit loses nothing that was acknowledged, and the next visit goes as ever."""

from collections.abc import Iterator

import pytest

from tests.journeys.faults import Fault, disturbed, flushing, killing, lost
from tests.support.platform import Platform, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A platform of its own, since its parts are killed."""
    with running_platform() as one:
        yield one


@pytest.mark.parametrize(
    ("fault", "after_step"),
    [
        pytest.param(killing("consult"), 8, id="a room, killed while both are in it"),
        pytest.param(killing("postgres"), 11, id="PostgreSQL, killed while a prescription is signed"),
        pytest.param(flushing, 4, id="Valkey, emptied before the call"),
    ],
)
def test_nothing_acknowledged_is_lost(platform: Platform, fault: Fault, after_step: int) -> None:
    """Whatever the disturbed visit had been told is kept is there afterwards, and the next visit passes."""
    visit = disturbed(platform, fault, after_step=after_step, pause=0.05)
    assert len(visit.acknowledged) >= 4, visit.said
    assert lost(platform, visit) == []
    following = platform.demo()
    assert following.returncode == 0, following.stdout


def test_a_killed_part_is_started_again(platform: Platform) -> None:
    """After the kills every part has a process, and the platform says it is ready."""
    assert all(platform.pids().values())
    assert platform.is_ready()
