"""`yuzhen up` as it is, with a dormant sampler in every room: what the benchmark starts."""

import os
import socket
import sys

from rich.console import Console

from kernel.settings import Settings
from tests.bench.sampler import Sampler
from yuzhen import serve as original
from yuzhen import supervisor
from yuzhen.up import up

_serve = original.serve


def serve(room: str, settings: Settings, sock: socket.socket) -> None:
    """Serve a room whose sampler waits for its signal."""
    Sampler(settings.state / f"sampled-{room}.json").arm()
    _serve(room, settings, sock)


if __name__ == "__main__":
    os.umask(0o077)
    vars(supervisor)["serve"] = serve
    sys.exit(up(Settings.from_environment(), Console()))
