"""Networks of the kernel's own making: one with loopback alone, and one of two machines on a wire (Linux, as root)."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

HERE, THERE = "10.77.0.1", "10.77.0.2"


def lacking() -> str:
    """Why no network can be made on this machine; empty when one can."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    if missing := [name for name in ("ip", "nsenter") if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)}"
    probe = subprocess.run(
        ["ip", "netns", "add", (name := _name("probe"))], capture_output=True, text=True, check=False
    )
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return f"this machine makes no network namespace: {probe.stderr.strip()}" if probe.returncode else ""


@contextmanager
def loopback_alone() -> Iterator[tuple[str, ...]]:
    """A network in which only 127.0.0.1 is up; the words that run a command inside it."""
    with _namespace() as name:
        yield _inside(name)


@contextmanager
def wire() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Two machines on a wire, HERE and THERE; the words that run a command on each."""
    with _namespace() as here, _namespace() as there:
        _ip("link", "add", "wire", "netns", here, "type", "veth", "peer", "name", "wire", "netns", there)
        for name, address in ((here, HERE), (there, THERE)):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "wire")
            _ip("-n", name, "link", "set", "wire", "up")
        yield _inside(here), _inside(there)


@contextmanager
def _namespace() -> Iterator[str]:
    name = _name("yz")
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "delete", name)


def _inside(name: str) -> tuple[str, ...]:
    return "nsenter", f"--net=/run/netns/{name}"


def _name(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
