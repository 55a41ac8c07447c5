"""aiortc callers that find the node on the loopback address, which they would leave out by themselves."""

from collections.abc import AsyncIterator, Callable

import aioice.ice
import pytest

from tests.consult.rtc.support import Caller


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers gather 127.0.0.1 and nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture
async def caller() -> AsyncIterator[Callable[[int], Caller]]:
    """Makes callers that hang up when the test ends."""
    made: list[Caller] = []

    def make(frequency: int = 440) -> Caller:
        made.append(Caller(frequency))
        return made[-1]

    yield make
    for one in made:
        await one.hang_up()
