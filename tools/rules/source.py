"""Source files as the rules see them, and what a rule has to say about a line."""

import ast
import io
import re
import shutil
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

EXCUSE = re.compile(r"#\s*rule:\s*(?P<rule>\S+)(?:\s+because\s+(?P<reason>\S.*))?")
PRODUCT = ("kernel", "record", "services", "gateway", "yuzhen")


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """A line that breaks a rule, and what to do about it."""

    path: str
    line: int
    rule: str
    message: str
    until: int = 0
    """Last line of what is meant, when it is more than one; an excuse on any of its lines counts."""

    @property
    def lines(self) -> range:
        """All lines of what is meant."""
        return range(self.line, max(self.line, self.until) + 1)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the tree. `tree` is empty for everything that is not Python."""

    path: str
    text: str
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))

    @classmethod
    def of(cls, path: str, text: str) -> "Source":
        """A file by its path within the tree."""
        return cls(path, text, ast.parse(text)) if path.endswith(".py") else cls(path, text)

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's folders and the file's name."""
        return tuple(self.path.split("/"))

    @property
    def module(self) -> str:
        """The import path, which here is the file path."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_product(self) -> bool:
        """Whether it is part of what hospitals run, not of its tests and tools."""
        return self.is_python and self.parts[0] in PRODUCT

    def finding(self, node: ast.AST | int, rule: str, message: str) -> Finding:
        """A finding at a node or a line."""
        return Finding(self.path, node if isinstance(node, int) else getattr(node, "lineno", 1), rule, message)

    def excuses(self) -> Iterator[tuple[range, str, str]]:
        """Every excuse: the lines it covers, the rule's name, the reason (empty when none is given)."""
        lines = self.text.splitlines()
        for number, comment in self._comments(lines):
            if said := EXCUSE.search(comment):
                last = number
                while last <= len(lines) and lines[last - 1].lstrip().startswith("#"):
                    last += 1
                yield range(number, last + 1), said["rule"], said["reason"] or ""

    def _comments(self, lines: list[str]) -> Iterator[tuple[int, str]]:
        if not self.is_python:
            yield from enumerate(lines if not self.path.endswith(".md") else [], 1)
            return
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def house(root: Path) -> list[Source]:
    """Every file that is or would be committed, without generated stubs and without what is not text."""
    command = [shutil.which("git") or "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    paths = sorted(path for path in set(listed.split("\0")) if path and (root / path).is_file())
    return [source for path in paths if (source := _read(root, path))]


def _read(root: Path, path: str) -> Source | None:
    if path.endswith(("_pb2.py", "_pb2.pyi")):
        return None
    try:
        return Source.of(path, (root / path).read_text())
    except UnicodeDecodeError:
        return None
