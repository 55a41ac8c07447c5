"""A participant whose network changes under a call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aioice.ice
import pytest

from services.consult.rtc.events import Left
from services.consult.rtc.ice_lite import Address
from tests.consult.rtc.support import Caller, LocalNode, local_node


class Rebinding(asyncio.DatagramProtocol):
    """A home router between a caller and the node that gives the caller another port when told to."""

    def __init__(self, node_port: int) -> None:
        self._node = ("127.0.0.1", node_port)
        self._outside: asyncio.DatagramTransport | None = None
        self._caller: Address | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.inside = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr == self._node:
            return
        self._caller = addr
        if self._outside:
            self._outside.sendto(data, self._node)

    async def rebind(self) -> None:
        """Use another port from now on; what is still sent to the old one is lost."""
        old = self._outside
        router = self

        class Outside(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Address) -> None:
                if router._caller:
                    router.inside.sendto(data, router._caller)

        loop = asyncio.get_running_loop()
        self._outside, _ = await loop.create_datagram_endpoint(Outside, local_addr=("127.0.0.1", 0))
        if old:
            old.close()

    def close(self) -> None:
        self.inside.close()
        if self._outside:
            self._outside.close()


@asynccontextmanager
async def behind_router(node: LocalNode) -> AsyncIterator[tuple[Rebinding, int]]:
    """A router and the port at which a caller finds the node through it."""
    loop = asyncio.get_running_loop()
    _, router = await loop.create_datagram_endpoint(lambda: Rebinding(node.port), local_addr=("127.0.0.1", 0))
    await router.rebind()
    try:
        yield router, router.inside.get_extra_info("sockname")[1]
    finally:
        router.close()


async def test_a_call_survives_a_change_of_address(
    caller: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a router gives a participant another port, its media goes on in both directions."""
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.3)
    anna, bo = caller(), caller()
    async with local_node() as node, behind_router(node) as (router, port):
        answer = node.worker.join("room", "anna", await anna.offer())
        await anna.accept(answer.replace(f" {node.port} typ host", f" {port} typ host"))
        await bo.call(node, "room", "bo")
        await asyncio.gather(anna.until_seen(10), bo.until_seen(10))
        before = node.worker.present["room", "anna"].address
        await router.rebind()
        await asyncio.gather(anna.until_seen(30), bo.until_seen(30))
        assert node.worker.present["room", "anna"].address != before
        assert not [event for event in node.told if isinstance(event, Left)]
