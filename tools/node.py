"""Node and npm: the machine's own, or those of a wheel when it has none that are new enough."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.prefix) / "bin"
OLDEST = (20, 19)
TESTS = Path("tests/npm")
"""The npm packages that tests of the interface ask for."""
PACKAGES = ("ci", "--no-audit", "--no-fund", "--loglevel=error")


def node_folder() -> Path:
    """The folder of a Node that is new enough; installs one into .venv when the machine has none."""
    found = shutil.which("node")
    if found and shutil.which("npm") and _version(found) >= OLDEST:
        return Path(found).parent
    if not (BIN / "node").exists():
        print("Node 20.19 or newer is missing on this machine: taking one from a wheel into .venv")
        uv = [str(BIN / "uv"), "pip", "install", "--quiet", "--python", sys.executable]
        subprocess.run([*uv, "--require-hashes", "-r", "tools/node.txt"], check=True)
    return BIN


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def npm(folder: Path, *arguments: str) -> int:
    """Run npm in a folder and return its exit code."""
    home = node_folder()
    path = f"{home}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run([str(home / "npm"), *arguments], cwd=folder, env={**os.environ, "PATH": path}).returncode


def install(folder: Path) -> int:
    """Exactly the packages of a folder's lock file; the stamp tells make that they are there."""
    failed = npm(folder, *PACKAGES)
    if not failed:
        (folder / "node_modules" / ".packages").touch()
    return failed


if __name__ == "__main__":
    sys.exit(install(TESTS))
