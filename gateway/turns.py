"""Nobody has the house to themselves: how many requests of one person may be under way at once.

Further ones wait for their turn, in order. The hospital's own systems are not held back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kernel.auth.principal import Principal, Role
from kernel.failures import Throttled

AT_ONCE = 8
MOST_WAITING = 64
PATIENCE = 10.0


class TooManyAtOnce(Throttled):
    """Too many of your requests are under way at once. Wait for their answers, then send more."""

    code = "too-many-at-once"


@dataclass(slots=True)
class _Account:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    present: int = 0
    """How many are under way or wait."""


class Turns:
    """The requests under way, by account."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._accounts: dict[str, _Account] = {}
        self._patience = patience

    @asynccontextmanager
    async def turn(self, by: Principal) -> AsyncIterator[None]:
        """Wait for a place, and hold it. Raises TooManyAtOnce when too many wait already, or for too long."""
        if by.role is Role.SYSTEM:
            yield
            return
        account = self._accounts.setdefault(by.account, _Account())
        if account.present >= AT_ONCE + MOST_WAITING:
            raise TooManyAtOnce
        account.present += 1
        try:
            await self._place(account)
            try:
                yield
            finally:
                account.places.release()
        finally:
            account.present -= 1
            if not account.present:
                del self._accounts[by.account]

    async def _place(self, account: _Account) -> None:
        if not account.places.locked():
            await account.places.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await account.places.acquire()
        except TimeoutError:
            raise TooManyAtOnce from None
