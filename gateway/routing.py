"""Which room answers an address: read from the two tables in proto/, never from names in code."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from record.ownership import types

ROUTES = Path(__file__).resolve().parent.parent / "proto" / "routes.toml"
OPEN = ("/.well-known/", "/authorize", "/token", "/sign-out", "/fhir/metadata")
"""Addresses that need no token: signing in, published keys, the capability statement."""


@cache
def prefixes() -> Mapping[str, str]:
    """Address prefixes and their rooms."""
    return tomllib.loads(ROUTES.read_text())


def room_for(path: str) -> str | None:
    """The room that answers a path, or None when nothing lives there."""
    parts = path.split("/", 3)
    if len(parts) > 2 and parts[1] == "fhir":
        rules = types().get(parts[2])
        return rules.owner if rules else prefixes().get(f"/fhir/{parts[2]}")
    return prefixes().get(f"/{parts[1]}")


def rooms() -> tuple[str, ...]:
    """Every room the gateway passes requests to."""
    return tuple(sorted({rules.owner for rules in types().values()} | set(prefixes().values())))


def is_open(path: str) -> bool:
    """Whether an address may be asked without a token."""
    return path.startswith(OPEN)
