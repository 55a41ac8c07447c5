"""Run every check that needs no running platform, side by side, and print what ran and how long it took."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.prefix) / "bin"
PYTHON = [sys.executable, "-m"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went."""

    name: str
    passed: bool
    seconds: float
    said: str


def checks() -> dict[str, list[str]]:
    """Every check by name, the slowest first so that the others fit beside it."""
    tool = {name: str(BIN / name) for name in ("mypy", "lint-imports", "ruff", "deptry", "buf")}
    web = {"web types": [*PYTHON, "tools.web", "types"]} if Path("web/tsconfig.json").exists() else {}
    return {
        "types": [tool["mypy"], "."],
        **web,
        "k8s": [*PYTHON, "tools.manifests"],
        "imports": [tool["lint-imports"]],
        "rules": [*PYTHON, "tools.rules"],
        "stubs": [*PYTHON, "tools.stubs", "--check"],
        "protobuf": [tool["buf"], "lint", "proto"],
        "dependencies": [tool["deptry"], "--no-ansi", "."],
        "style": [tool["ruff"], "check", "--output-format=concise", "."],
        "format": [tool["ruff"], "format", "--check", "--output-format=concise", "."],
    }


def run(name: str, command: Sequence[str]) -> Outcome:
    """Run one check and keep what it said."""
    started = time.perf_counter()
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Outcome(name, ended.returncode == 0, time.perf_counter() - started, ended.stdout)


def main(wanted: Sequence[str]) -> int:
    """Run the wanted checks, or all of them; 1 when any failed."""
    chosen = {name: command for name, command in checks().items() if not wanted or name in wanted}
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as side_by_side:
        outcomes = list(side_by_side.map(run, chosen.keys(), chosen.values()))
    for outcome in outcomes:
        if not outcome.passed:
            print(f"\n=== {outcome.name} ===\n{outcome.said.strip()}")
    print()
    for outcome in outcomes:
        print(f"{outcome.name:<14} {'ok' if outcome.passed else 'FAILED':<8} {outcome.seconds:5.1f} s")
    print(f"{'together':<14} {'':<8} {time.perf_counter() - started:5.1f} s")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
