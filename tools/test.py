"""Run every test: the web client's, those that need the machine alone, and then the others side by side."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import browser, web

ALONE = "browser or slow"
"""Real browsers, real media and the whole product: beside others on two cores they would measure the neighbours."""
NOTHING_CHOSEN = 5


def pytest(*arguments: str) -> int:
    """Run pytest and return its exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def everything() -> int:
    """All parts, even after one has failed; 0 when none did and at least one test ran."""
    if browser.main():
        return 1
    client = web.main("tests") if Path("web/package.json").exists() else 0
    alone = pytest("-m", ALONE)
    beside = pytest("-n", "2", "--dist", "loadfile", "-m", f"not ({ALONE})")
    parts = {beside, alone}
    return 0 if client == 0 and 0 in parts and parts <= {0, NOTHING_CHOSEN} else 1


def main(arguments: Sequence[str]) -> int:
    """Everything, or what pytest's own arguments choose."""
    return pytest(*arguments) if arguments else everything()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
