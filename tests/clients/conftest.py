"""The platform that real FHIR clients talk to."""

from tests.support.platform import platform

__all__ = ["platform"]
