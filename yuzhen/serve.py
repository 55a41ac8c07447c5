"""Serving one room's application on a socket that already listens."""

import gc
import os
import socket
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kernel import telemetry
from kernel.settings import Settings
from yuzhen.certificate import ensure_certificate
from yuzhen.rooms import application

BACKLOG = 1024
LARGEST_HEADER = 64 * 1024
LARGEST_READ = 256 * 1024
"""One read of the event loop may bring the end of a header and much of a body."""


def listen(settings: Settings, room: str) -> socket.socket:
    """The room's listening socket: TCP for the gateway, by default a private Unix socket for the others."""
    if room == "gateway":
        return _tcp(settings.host, settings.port)
    if settings.listen == "unix":
        return _unix(settings.runtime / f"{room}.sock")
    host, _, port = settings.listen.rpartition(":")
    return _tcp(host, int(port))


def serve(room: str, settings: Settings, sock: socket.socket) -> None:
    """Serve until SIGTERM, answering what is under way."""
    telemetry.configure(room, level=settings.log_level)
    tls = ensure_certificate(settings) if room == "gateway" and settings.tls == "auto" else None
    config = uvicorn.Config(
        application(room, settings),
        loop="uvloop",
        http=BoundedHeaders,
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        # Longer than any of our own clients keeps an idle connection, so that no request meets one being closed.
        timeout_keep_alive=75,
        ws_max_size=1 << 20,
        ssl_certfile=str(tls.certificate) if tls else None,
        ssl_keyfile=str(tls.key) if tls else None,
    )
    RoomServer(config).run(sockets=[sock])


class RoomServer(uvicorn.Server):
    """A server whose collector leaves alone what lives as long as the process: walking it made requests wait."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then set apart everything that is there by now."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)


class BoundedHeaders(HttpToolsProtocol):
    """A connection whose request header has a bound; the parser itself would collect one without end."""

    _header = 0
    _in_header = True

    def on_message_begin(self) -> None:
        """A request begins, and with it its header."""
        self._header, self._in_header = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """What follows is body, which has a bound of its own."""
        self._in_header = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes came; too many of them in a header end the connection."""
        if self._in_header:
            self._header += len(data)
            if self._header > LARGEST_HEADER + LARGEST_READ:
                self.send_400_response("The header of this request is too large.")
                return
        super().data_received(data)


def _tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as taken:
        raise PortTaken(f"Port {port} is taken. Stop what uses it, or set YUZHEN_PORT to another.") from taken
    sock.listen(BACKLOG)
    return sock


def _unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    return sock


class PortTaken(Exception):
    """The gateway's port is in use."""
