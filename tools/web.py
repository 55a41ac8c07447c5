"""Build the browser client."""

import sys
from pathlib import Path

from tools.node import install, npm

WEB = Path("web")


def _build() -> int:
    failed = npm(WEB, "run", "--silent", "build")
    if not failed:
        (WEB / "node_modules" / ".built").touch()
    return failed


def main(step: str) -> int:
    """One step: `packages`, `build`, `types` or `tests`."""
    match step:
        case "packages":
            return install(WEB)
        case "build":
            return _build()
        case "types":
            return npm(WEB, "run", "--silent", "check")
        case _:
            return npm(WEB, "run", "--silent", "test")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
