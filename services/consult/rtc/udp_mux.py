"""One UDP port for every participant of the node: datagrams are told apart by their first byte (RFC 7983).

The reader is a plain callback on the socket; nothing is awaited and no object is made per packet.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from kernel.telemetry import place_of
from services.consult.rtc.ice_lite import Address
from services.consult.rtc.srtp import LARGEST_PACKET, PacketBuffer

log = logging.getLogger(__name__)

BATCH = 256
"""Datagrams read before the event loop gets its turn."""

SOCKET_BUFFER = 4 << 20


class Datagrams(Protocol):
    """The part of a UDP socket that the port uses."""

    def recvfrom_into(self, buffer: memoryview, /) -> tuple[int, Address]: ...
    def sendto(self, packet: memoryview | bytes, address: Address, /) -> int: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Receiver(Protocol):
    """Who takes the datagrams. `size` is the datagram's length in the inbox, `now` a monotonic time in seconds."""

    def stun_received(self, packet: bytes, address: Address) -> None: ...
    def dtls_received(self, packet: bytes, address: Address) -> None: ...
    def media_received(self, size: int, address: Address, now: float) -> None: ...
    def batch_ended(self, now: float) -> None: ...


def bound_socket(port: int, *, ipv6: bool) -> socket.socket:
    """The node's socket on every interface; IPv4 reaches the IPv6 one too."""
    sock = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
    if ipv6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::" if ipv6 else "0.0.0.0", port))  # noqa: S104 -- participants come from any network
    return sock


class UdpMux:
    """Reads and sends datagrams through two fixed buffers: `inbox` for what came, `outbox` for what goes."""

    def __init__(self, sock: Datagrams) -> None:
        self._sock = sock
        self.inbox = PacketBuffer()
        self.outbox = PacketBuffer()
        self.received = self.sent = self.dropped = 0
        self._detach: Callable[[], object] = lambda: None

    def attach(self, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        """Start reading."""
        self._detach = lambda: loop.remove_reader(self._sock.fileno())
        loop.add_reader(self._sock.fileno(), self._readable, receiver)

    def close(self) -> None:
        """Stop reading and give the port back."""
        self._detach()
        self._sock.close()

    def send(self, packet: memoryview | bytes, address: Address) -> None:
        """Send a datagram, or drop it when the network does not take it now."""
        try:
            self._sock.sendto(packet, address)
        except OSError:
            self.dropped += 1
        else:
            self.sent += 1

    def send_outbox(self, size: int, address: Address) -> None:
        """Send the first `size` bytes of the outbox."""
        try:
            self._sock.sendto(self.outbox.view[:size], address)
        except OSError:
            self.dropped += 1
        else:
            self.sent += 1

    def _readable(self, receiver: Receiver) -> None:
        receive, view = self._sock.recvfrom_into, self.inbox.view
        media, now, count = receiver.media_received, monotonic(), 0
        for _ in range(BATCH):
            try:
                size, address = receive(view)
            except BlockingIOError:
                break
            except OSError:
                # Somebody's port is closed: the kernel says so on the next read, nothing was lost.
                continue
            count += 1
            now = monotonic()
            try:
                if not 0 < size <= LARGEST_PACKET:
                    self.dropped += 1
                elif 127 < view[0] < 192:
                    media(size, address, now)
                else:
                    self._other(size, address, receiver)
            except Exception as error:
                self.dropped += 1
                log.error("a datagram could not be handled: %s", place_of(error))
        self.received += count
        receiver.batch_ended(now)

    def _other(self, size: int, address: Address, receiver: Receiver) -> None:
        first = self.inbox.bytes[0]
        if first < 4:
            receiver.stun_received(bytes(self.inbox.view[:size]), address)
        elif 20 <= first < 64:
            receiver.dtls_received(bytes(self.inbox.view[:size]), address)
