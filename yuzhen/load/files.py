"""The files a load reads: plain or gzipped, in folders, or standard input; each may be read twice.

Lines are read one by one. A file that is one JSON value, such as a Bundle, is mapped into memory, not read into it.
"""

import gzip
import mmap
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

NDJSON = (".ndjson", ".jsonl")
KNOWN = (*NDJSON, ".json")
LONGEST_LINE = 64 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


class NothingToRead(Exception):
    """A path leads to no file that can be loaded."""


@dataclass(slots=True)
class Source:
    """One file. `size` is what it takes on disk, for the progress bar."""

    name: str
    path: Path | None
    size: int
    position: int = 0
    """How much of it on disk has been read, for the progress bar."""
    _spooled: IO[bytes] | None = field(default=None, repr=False)

    @property
    def gzipped(self) -> bool:
        return self.name.endswith(".gz")

    @property
    def by_lines(self) -> bool:
        """Whether each line is a JSON value of its own: by the file's name, or by its first line."""
        if self.name.removesuffix(".gz").endswith(NDJSON):
            return True
        with self.whole() as content:
            end = content.find(b"\n")
            return end >= 0 and _is_json(content[:end]) and _has_more(content, end)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file's content as a stream, from its beginning."""
        if self._spooled is not None:
            self._spooled.seek(0)
            yield self._spooled
        elif self.path is not None:
            with gzip.open(self.path) if self.gzipped else self.path.open("rb") as stream:
                yield stream  # type: ignore[misc]

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The file's content as one buffer; what is not plain on disk is written out first."""
        if self.gzipped and self._spooled is None:
            with self.opened() as stream:
                self._spooled = spooled(stream)
        with self.opened() as stream:
            if not stream.seek(0, 2):
                yield b""
                return
            # Not closed by hand: resources that were found point into it, and it goes when the last of them does.
            yield mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Number and content of each line that is not blank; None stands for a line that is too long."""
        with self.opened() as stream:
            on_disk, number = getattr(stream, "fileobj", stream), 0
            while line := stream.readline(LONGEST_LINE):
                number, self.position = number + 1, on_disk.tell()
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    _skip(stream)
                    yield number, None
                elif text := line.removeprefix(BOM).strip():
                    yield number, text

    def close(self) -> None:
        """Give back what was written out."""
        if self._spooled is not None:
            self._spooled.close()
            self._spooled = None


def sources(paths: Sequence[str]) -> list[Source]:
    """The files behind the paths given: folders are searched through, `-` is standard input. Raises NothingToRead."""
    found: list[Source] = []
    for text in paths:
        path = Path(text)
        if text == "-":
            found.append(_standard_input())
        elif path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and _is_known(one))
            found += [_source(one) for one in inside]
        elif path.is_file():
            found.append(_source(path))
        else:
            raise NothingToRead(f"There is no file or folder '{text}'.")
    if not found:
        raise NothingToRead(f"No file ends in {', '.join(KNOWN)} (or the same with .gz).")
    return found


def spooled(stream: IO[bytes]) -> IO[bytes]:
    """A stream's content in a file without a name, so that it can be read from its beginning again."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as its source
    shutil.copyfileobj(stream, kept, 1024 * 1024)
    kept.flush()
    return kept


def _standard_input() -> Source:
    kept = spooled(sys.stdin.buffer)
    return Source("standard input", None, kept.tell(), _spooled=kept)


def _source(path: Path) -> Source:
    return Source(str(path), path, path.stat().st_size)


def _is_known(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(KNOWN)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text.removeprefix(BOM), type=msgspec.Raw)
    except msgspec.MsgspecError:
        return False
    return True


def _has_more(content: Any, at: int) -> bool:
    """Whether anything but blanks follows."""
    while block := content[at : at + 4096]:
        if block.strip():
            return True
        at += 4096
    return False


def _skip(stream: IO[bytes]) -> None:
    """Go on to the next line."""
    while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass
