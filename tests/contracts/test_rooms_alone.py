"""Each room can be carried out of the house with the kernel, the record and the messages, and still be imported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists())
SHARED = ("kernel", "record", "proto")
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if ".migrations." not in module.name:
        importlib.import_module(module.name)
print(*(name for name in sys.modules if name.split(".")[0] in {"services", "gateway", "yuzhen"}))
"""


def carry_out(package: str, into: Path) -> None:
    """Copy a room and what it may lean on; the folder of services comes along empty."""
    leave = shutil.ignore_patterns("__pycache__")
    for shared in SHARED:
        shutil.copytree(ROOT / shared, into / shared, ignore=leave)
    room = Path(*package.split("."))
    if len(room.parts) > 1:
        (into / room.parent).mkdir()
        shutil.copy(ROOT / room.parent / "__init__.py", into / room.parent)
    shutil.copytree(ROOT / room, into / room, ignore=leave)


@pytest.mark.parametrize("package", ["gateway", *(f"services.{room}" for room in ROOMS)])
def test_room_stands_alone(tmp_path: Path, package: str) -> None:
    """All files of the room import in a fresh process, and bring no other room with them."""
    carry_out(package, tmp_path)
    command = [sys.executable, "-c", IMPORT_ALL, package]
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    brought = set(ended.stdout.split())
    assert package in brought
    assert {name for name in brought if name != "services" and not f"{name}.".startswith(f"{package}.")} == set()
