"""The platforms that tests of the public door share."""

from collections.abc import Iterator

import pytest

from tests.support.platform import Platform, platform, running_platform

__all__ = ["platform", "rough"]


@pytest.fixture(scope="module")
def rough() -> Iterator[Platform]:
    """A platform of a module's own, for what may leave anything behind."""
    with running_platform() as one:
        yield one
