"""The import contracts hold what they say: each falls when its wall is broken, and stands when it is not."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["kernel", "record", "services", "services/appointments", "services/consult", "services/consult/rtc"]
PACKAGES += ["gateway", "yuzhen", "proto"]
LAYERS = ["index", "validation", "search", "interactions", "conformance", "bundles", "rest"]
PACKAGES += [f"record/{layer}" for layer in LAYERS]


def lint(folder: Path, **files: str) -> str:
    """What import-linter says about a small house with these files (`a__b` is a/b.py)."""
    for package in PACKAGES:
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    for name, text in files.items():
        (folder / f"{name.replace('__', '/')}.py").write_text(text)
    (folder / ".importlinter").write_text((ROOT / ".importlinter").read_text())
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("contract", "files"),
    [
        ("do not know one another", {"services__consult__a": "import services.appointments"}),
        ("do not know one another", {"gateway__a": "import services.consult"}),
        ("kernel knows nothing", {"kernel__a": "import record"}),
        ("record knows no service", {"record__a": "import services.consult"}),
        ("no room knows it", {"services__consult__a": "import yuzhen"}),
        ("FHIR models", {"services__consult__a": "from fhir.resources import patient"}),
        ("Protobuf stubs", {"services__consult__a": "import google.protobuf"}),
        ("Protobuf stubs", {"gateway__a": "import proto.stub", "proto__stub": ""}),
        ("WebRTC libraries", {"services__consult__a": "import aiortc"}),
        ("WebRTC libraries", {"yuzhen__up": "import av"}),
        ("Celery is used", {"services__consult__a": "import celery"}),
        ("routes stand on Bundles", {"record__index__a": "import record.search"}),
        ("no circles", {"kernel__a": "import kernel.b", "kernel__b": "import kernel.a"}),
    ],
)
def test_broken_wall_is_found(tmp_path: Path, contract: str, files: dict[str, str]) -> None:
    """A file on the wrong side of a wall breaks the contract whose sentence names that wall, and only that one."""
    said = " ".join(lint(tmp_path, **files).split())
    assert "9 kept, 1 broken" in said
    assert contract in said.partition("Broken contracts")[2]


def test_walls_stand(tmp_path: Path) -> None:
    """The files that may use FHIR models, stubs, media and Celery do so without a word."""
    said = lint(
        tmp_path,
        record__models="from fhir.resources import patient",
        services__consult__fhir="from fhir.resources import encounter",
        services__consult__events="import proto.stub, google.protobuf",
        services__consult__jobs="import celery",
        services__consult__rtc__peer="import aiortc, av, pylibsrtp, proto.stub",
        kernel__queueing="import celery",
        kernel__events="import google.protobuf",
        yuzhen__demo="import aiortc, av, services.consult",
        proto__stub="import google.protobuf",
    )
    assert "10 kept, 0 broken" in " ".join(said.split())
