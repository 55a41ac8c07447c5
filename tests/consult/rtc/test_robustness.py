"""What strangers, attackers and bad networks send must neither stop the node nor reach a call."""

import asyncio
import gc
import logging
import random
import socket
import weakref
from collections.abc import Callable
from time import monotonic

import aioice.stun
import pytest

from services.consult.rtc.events import Connected, Left, LeftReason
from services.consult.rtc.ice_lite import Address
from services.consult.rtc.peer import MOST_ADDRESSES, MOST_STREAMS, Peer
from services.consult.rtc.worker import SILENCE
from tests.consult.rtc.support import Caller, LocalNode, LossySocket, gaps, local_node

Callers = Callable[..., Caller]
FIRST_BYTES = [0, 1, 3, 16, 20, 22, 23, 63, 64, 128, 144, 160, 176, 191, 192, 255]


def noise(seed: int, packets: int) -> list[bytes]:
    """Datagrams of every kind the port tells apart, with nothing right in them."""
    chance = random.Random(seed)  # noqa: S311 -- the same noise at every run
    return [bytes([chance.choice(FIRST_BYTES)]) + chance.randbytes(chance.randrange(1400)) for _ in range(packets)]


def peer_of(node: LocalNode, participant: str) -> Peer:
    return node.worker.present["room", participant]


def raw_socket(caller: Caller) -> tuple[asyncio.DatagramTransport, Address]:
    """A caller's own socket and the node's address as it sees it."""
    ice = caller.connection.getTransceivers()[0].sender.transport.transport
    pair = ice._connection._nominated[1]
    transport: asyncio.DatagramTransport = pair.protocol.transport
    return transport, pair.remote_addr


def check(node: LocalNode, caller: Caller, *, password: str, nominate: bool = True) -> bytes:
    """A connectivity check in the caller's name."""
    credentials = peer_of(node, "anna").credentials
    theirs = caller.connection.localDescription.sdp.split("a=ice-ufrag:")[1].split("\r\n")[0]
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{credentials.fragment}:{theirs}"
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


async def test_noise_from_strangers_changes_nothing(caller: Callers, caplog: pytest.LogCaptureFixture) -> None:
    """Random datagrams of every kind are counted and forgotten; a call made meanwhile works."""
    anna, bo = caller(), caller()
    with caplog.at_level(logging.ERROR), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        async with local_node() as node:
            await anna.call(node, "room", "anna")
            for packet in noise(1, 1000):
                stranger.sendto(packet, ("127.0.0.1", node.port))
            await bo.call(node, "room", "bo")
            await asyncio.gather(anna.until_seen(20), bo.until_seen(20))
            assert node.worker.load().packets_refused > 300
            assert node.mux.dropped == 0
    assert not caplog.records


async def test_noise_from_a_participant_changes_nothing(caller: Callers, caplog: pytest.LogCaptureFixture) -> None:
    """Garbage from a participant's own address neither ends its call nor reaches the other."""
    anna, bo = caller(), caller()
    with caplog.at_level(logging.ERROR):
        async with local_node() as node:
            await anna.call(node, "room", "anna")
            await bo.call(node, "room", "bo")
            await asyncio.gather(anna.until_seen(5), bo.until_seen(5))
            transport, address = raw_socket(anna)
            for packet in noise(2, 500):
                transport.sendto(packet, address)
            await asyncio.gather(anna.until_seen(20), bo.until_seen(20))
            assert node.mux.dropped == 0
            assert not [event for event in node.told if isinstance(event, Left)]
    assert not caplog.records


async def test_replayed_packets_are_refused(caller: Callers) -> None:
    """Packets that come twice are carried once."""

    class Echo(LossySocket):
        """Gives every tenth datagram twice."""

        again: tuple[bytes, Address] | None = None
        count = 0

        def recvfrom_into(self, buffer: memoryview, /) -> tuple[int, Address]:
            if self.again:
                packet, address = self.again
                self.again = None
                buffer[: len(packet)] = packet
                return len(packet), address
            size, address = super().recvfrom_into(buffer)
            self.count += 1
            if self.count % 10 == 0:
                self.again = bytes(buffer[:size]), address
            return size, address

    anna, bo = caller(), caller()
    async with local_node(lambda sock: Echo(sock, received=[0], sent=[0])) as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await asyncio.gather(anna.until_seen(40), bo.until_seen(40))
        assert peer_of(node, "anna").refused > 3
        assert not list(gaps(bo.seen[1:]))


async def test_a_stranger_with_another_certificate_is_refused(caller: Callers) -> None:
    """Whoever cannot show the certificate of the offer gets no media, even with the right ICE credentials."""
    stranger = caller()
    async with local_node() as node:
        offer = await stranger.offer()
        genuine = offer.split("a=fingerprint:sha-256 ")[1][:95]
        forged = ":".join(["AB"] * 32)
        await stranger.accept(node.worker.join("room", "anna", offer.replace(genuine, forged)))
        await node.until_told(Left("room", "anna", LeftReason.REFUSED))
        assert Connected("room", "anna") not in node.told
        assert not node.worker.present


async def test_a_handshake_from_an_unproven_address_is_ignored(caller: Callers) -> None:
    """A DTLS greeting is not answered before its sender has passed a connectivity check."""
    anna = caller()
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        sent = node.mux.sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            before = node.worker.load().packets_refused
            stranger.sendto(b"\x16\xfe\xff" + bytes(60), ("127.0.0.1", node.port))
            await anna.until_seen(0)
            async with asyncio.timeout(5):
                while node.worker.load().packets_refused == before:  # noqa: ASYNC110 -- nothing tells of a refusal
                    await asyncio.sleep(0.01)
            stranger.setblocking(False)
            with pytest.raises(BlockingIOError):
                stranger.recv(100)
        assert node.mux.sent >= sent


async def test_wrong_credentials_get_no_answer(caller: Callers) -> None:
    """A check with a wrong password is not answered and moves nothing; with the right one it is answered."""
    anna = caller()
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        peer = peer_of(node, "anna")
        address, loop = peer.address, asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setblocking(False)
            stranger.connect(("127.0.0.1", node.port))
            stranger.send(check(node, anna, password="guessed"))
            stranger.send(check(node, anna, password=peer.credentials.password, nominate=False))
            answer = await asyncio.wait_for(loop.sock_recv(stranger, 1000), 5)
            assert aioice.stun.parse_message(answer).message_class == aioice.stun.Class.RESPONSE
            assert peer.refused == 1
            assert peer.address == address
            with pytest.raises(BlockingIOError):
                stranger.recv(1000)


async def test_addresses_and_streams_of_one_participant_are_bounded(caller: Callers) -> None:
    """However many ports and streams a participant uses, the node remembers a few."""
    anna = caller()
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        peer = peer_of(node, "anna")
        for port in range(1000, 1100):
            node.worker.stun_received(
                check(node, anna, password=peer.credentials.password, nominate=False), ("192.0.2.1", port)
            )
        assert len(peer.addresses) == MOST_ADDRESSES
        assert peer.address in peer.addresses
        protect = anna.connection.getTransceivers()[0].sender.transport._tx_srtp.protect
        transport, address = raw_socket(anna)
        refused = peer.refused
        for ssrc in range(100):
            transport.sendto(
                protect(b"\x80\x7f\x00\x01" + bytes(4) + (70000 + ssrc).to_bytes(4, "big") + b"x"), address
            )
        async with asyncio.timeout(5):
            while peer.refused == refused:  # noqa: ASYNC110 -- nothing tells of a refusal
                await asyncio.sleep(0.01)
        assert len(peer._track_of) <= MOST_STREAMS


async def test_a_silent_participant_is_removed(caller: Callers) -> None:
    """Whoever is not heard for thirty seconds is gone; whoever never came, too."""
    anna, bo = caller(), caller()
    async with local_node() as node:
        node.worker.join("room", "bo", await bo.offer())
        await anna.call(node, "room", "anna")
        node.worker.turn(monotonic() + SILENCE - 5)
        assert len(node.worker.present) == 2
        node.worker.turn(monotonic() + SILENCE + 5)
        assert not node.worker.present
        assert {Left("room", who, LeftReason.TIMEOUT) for who in ("anna", "bo")} <= set(node.told)


async def test_a_participant_who_left_takes_no_memory(caller: Callers) -> None:
    """Connection, keys and kept packets are free when the participant leaves, without waiting for the collector."""
    anna, bo = caller(), caller()
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        await bo.call(node, "room", "bo")
        await asyncio.gather(anna.until_seen(5), bo.until_seen(5))
        peer = peer_of(node, "bo")
        kept: list[weakref.ref[object]] = [weakref.ref(part) for part in (peer, *peer.tracks, *peer.outlets)]
        gc.disable()
        try:
            del peer
            node.worker.leave("room", "bo")
            await asyncio.sleep(0)
            assert [one() for one in kept] == [None] * len(kept)
        finally:
            gc.enable()


async def test_oversize_packets_are_dropped(caller: Callers) -> None:
    """A datagram larger than any we forward never reaches the decryption."""
    anna = caller()
    async with local_node() as node:
        await anna.call(node, "room", "anna")
        dropped, refused = node.mux.dropped, peer_of(node, "anna").refused
        transport, address = raw_socket(anna)
        transport.sendto(b"\x80\x60" + bytes(1800), address)
        received = node.mux.received
        async with asyncio.timeout(5):
            while node.mux.received < received + 5:  # noqa: ASYNC110 -- nothing tells of a datagram
                await asyncio.sleep(0.01)
        assert node.mux.dropped == dropped + 1
        assert peer_of(node, "anna").refused == refused
