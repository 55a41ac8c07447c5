"""The platform that all tests of the public door share."""

from tests.support.platform import platform

__all__ = ["platform"]
