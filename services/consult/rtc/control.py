"""The stream between consult and a node: each message preceded by its length in four bytes, most significant first."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

LARGEST_MESSAGE = 1 << 20
STREAM_LIMIT = 1 << 16


class FrameTooLarge(Exception):
    """The other end sent a message longer than any of ours; the stream cannot be followed any further."""


@dataclass(frozen=True, slots=True)
class ControlAddress:
    """Where a node listens: "unix:/path/to/socket" or "tcp:host:port"."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def read(cls, text: str) -> "ControlAddress":
        """The address in a setting. Raises ValueError saying what it must look like."""
        scheme, _, rest = text.partition(":")
        host, _, port = rest.rpartition(":")
        if scheme == "unix" and rest:
            return cls(path=Path(rest))
        if scheme == "tcp" and host and port.isdecimal():
            return cls(host=host.strip("[]"), port=int(port))
        raise ValueError(f"a control address is unix:/path or tcp:host:port, not {text!r}")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stream to the node. Raises OSError when nobody listens."""
        if self.path:
            return await asyncio.open_unix_connection(str(self.path), limit=STREAM_LIMIT)
        return await asyncio.open_connection(self.host, self.port, limit=STREAM_LIMIT)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next message. Raises EOFError at the stream's end, FrameTooLarge."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > LARGEST_MESSAGE:
        raise FrameTooLarge
    return await reader.readexactly(length)


def write_frame(writer: asyncio.StreamWriter, message: bytes) -> None:
    """Put a message on the stream."""
    writer.write(len(message).to_bytes(4, "big") + message)
