"""The demonstration passes on any day, on an old state folder, and over any network."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys import days, network
from tests.support.platform import Platform, Wish, later, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test opens, closed at its end."""
    with ExitStack() as one:
        yield one


def passes(platform: Platform) -> None:
    """The demonstration exits 0, with its last step done."""
    played = platform.demo()
    assert played.returncode == 0, played.stdout
    assert "All of it is there as FHIR R4 through the gateway" in played.stdout


def test_twice_in_a_row(platform: Platform) -> None:
    """It can be played again at once: nothing of the first visit stands in the way of the second."""
    passes(platform)
    passes(platform)


def test_on_a_sunday_at_three_with_loopback_alone(stack: ExitStack) -> None:
    """At 03:00 on a Sunday, with no address but 127.0.0.1, a clinic is open and picture and sound flow."""
    if reason := network.lacking():
        pytest.skip(reason)
    inside = stack.enter_context(network.loopback_alone())
    wish = Wish(offset=days.on_a_sunday(), inside=inside, demo_inside=inside)
    passes(stack.enter_context(running_platform(wish)))


def test_on_29_february_over_a_wire(stack: ExitStack) -> None:
    """On a leap day, and from another machine on the network, the visit goes as ever."""
    if reason := network.lacking():
        pytest.skip(reason)
    here, there = stack.enter_context(network.wire())
    wish = Wish(
        offset=days.on_29_february(), host=network.HERE, media_address=network.HERE, inside=here, demo_inside=there
    )
    passes(stack.enter_context(running_platform(wish)))


def test_on_a_state_folder_thirty_days_old() -> None:
    """A platform stopped for thirty days starts with open clinics; its media may be bound to 127.0.0.1 by name."""
    wish = Wish(media_address="127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="yz-") as folder:
        with running_platform(wish, state=Path(folder)) as platform:
            passes(platform)
        with running_platform(later(wish, days=30), state=Path(folder)) as platform:
            passes(platform)
