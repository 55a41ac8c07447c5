"""Build the browser client with the machine's own Node, or with one from a wheel when it has none."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path("web")
BIN = Path(sys.prefix) / "bin"
OLDEST = (20, 19)


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


def npm(*arguments: str) -> int:
    """Run npm in web/."""
    folder = node_folder()
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run([str(folder / "npm"), *arguments], cwd=WEB, env={**os.environ, "PATH": path}).returncode


def _stamp(name: str, *commands: list[str]) -> int:
    for command in commands:
        if failed := npm(*command):
            return failed
    (WEB / "node_modules" / name).touch()
    return 0


def main(step: str) -> int:
    """One step: `packages`, `build`, `types` or `tests`."""
    match step:
        case "packages":
            return _stamp(".packages", ["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        case "build":
            return _stamp(".built", ["run", "--silent", "build"])
        case "types":
            return npm("run", "--silent", "check")
        case _:
            return npm("run", "--silent", "test")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
