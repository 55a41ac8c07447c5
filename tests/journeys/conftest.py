"""The platform and the browser that all journeys share."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.journeys.browser import chromium
from tests.support.platform import platform
from tools import browser as machine

__all__ = ["platform"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without one the journeys are skipped, but never under CI."""
    if machine.find() is None:
        lacking = "Chromium is missing: install it to walk the browser journeys"
        pytest.fail(lacking) if os.environ.get("CI") == "true" else pytest.skip(lacking)
    with chromium() as running:
        yield running
