"""Names for new things: time-ordered (RFC 9562 version 7), so that indexes grow at one end."""

import itertools
import os
from typing import Protocol
from uuid import NAMESPACE_URL, uuid5

from kernel.clock import Clock


class Ids(Protocol):
    """Gives a new name at each call."""

    def new(self) -> str: ...


class RandomIds:
    """UUID version 7: 48 bits of milliseconds, 74 bits of chance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self) -> str:
        millis = int(self._clock.now().timestamp() * 1000)
        chance = int.from_bytes(os.urandom(10), "big")
        value = (millis & (1 << 48) - 1) << 80 | 0x7 << 76 | (chance >> 68) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class CountedIds:
    """Names a test can foresee: `prefix-1`, `prefix-2` ..."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._count = itertools.count(1)

    def new(self) -> str:
        return f"{self._prefix}-{next(self._count)}"


def derived(kind: str, source: str) -> str:
    """The one name that follows from another, so that a job which runs twice makes one thing."""
    return str(uuid5(NAMESPACE_URL, f"yuzhen:{kind}:{source}"))
