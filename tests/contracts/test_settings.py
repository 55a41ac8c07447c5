"""Every setting is documented where it is defined, and every name used elsewhere is one of them."""

import re
import shutil
import subprocess
from dataclasses import Field, fields
from pathlib import Path

import pytest

from kernel.settings import Settings, SettingWrong

ROOT = Path(__file__).parents[2]
NAMES = {field.metadata["env"] for field in fields(Settings)}


def tracked() -> list[Path]:
    """Files of the tree in which settings are named, without tests, which may name wrong ones."""
    git = shutil.which("git") or "git"
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    suffixes = {".py", ".env", ".yaml", ".yml", ".md", ".toml", ".ts", ".tsx", ""}
    paths = [ROOT / name for name in listed.split("\0") if name and not name.startswith("tests/")]
    return [path for path in paths if path.suffix in suffixes and path.is_file()]


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: str(field.name))
def test_setting_is_documented(field: "Field[str]") -> None:
    """A setting has a name in the environment, its meaning in a sentence, and a default that works."""
    metadata, default = field.metadata, field.default
    assert re.fullmatch(r"YUZHEN_[A-Z_]+", metadata["env"])
    assert len(metadata["meaning"].split()) > 3
    assert metadata["meaning"].endswith(".")
    assert isinstance(default, str)


def test_names_are_told_apart() -> None:
    """No two settings share a name, and the defaults together are usable."""
    assert len(NAMES) == len(fields(Settings))
    Settings.from_environment({})


def test_no_unknown_setting_is_named() -> None:
    """Code, manifests and documentation name no setting that does not exist."""
    used = {name: path for path in tracked() for name in re.findall(r"\bYUZHEN_[A-Z_]*[A-Z]\b", path.read_text())}
    assert {"YUZHEN_STATE", "YUZHEN_ROOMS"} <= used.keys()
    assert {name: path.name for name, path in used.items() if name not in NAMES} == {}


@pytest.mark.parametrize(("name", "value"), [("YUZHEN_PORT", "http"), ("YUZHEN_MODE", "test"), ("YUZHEN_TLS", "yes")])
def test_wrong_setting_is_named(name: str, value: str) -> None:
    """A setting that cannot be meant is refused by its name."""
    with pytest.raises(SettingWrong, match=name):
        Settings.from_environment({name: value})
