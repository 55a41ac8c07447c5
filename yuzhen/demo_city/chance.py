"""Repeatable chance: the same key draws the same lot, on every machine and every Python."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def draw(below: int, *key: object) -> int:
    """A whole number from 0 up to, not including, `below`, decided by the key alone."""
    seed = "/".join(str(part) for part in ("yuzhen", *key))
    return int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big") % below


def pick(lots: Sequence[T], *key: object) -> T:
    """One of the lots, decided by the key alone."""
    return lots[draw(len(lots), *key)]
