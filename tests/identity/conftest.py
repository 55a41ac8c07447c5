"""The platform that the sign-in is tried on."""

from tests.support.platform import platform

__all__ = ["platform"]
