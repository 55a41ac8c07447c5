"""Make the Python stubs of proto/ (https://protobuf.dev/reference/python/python-generated/), or compare them."""

import subprocess
import sys
import tempfile
from pathlib import Path

PROTO = Path("proto")


def generate(into: Path) -> None:
    """Stubs and their types for every .proto file, under `proto/` of a folder."""
    files = sorted(str(path) for path in PROTO.rglob("*.proto"))
    if not files:
        return
    plugin = Path(sys.prefix) / "bin" / "protoc-gen-mypy"
    # The tree itself is the root, so that stubs are imported by their file path: proto.yuzhen...
    options = ["--proto_path=.", f"--plugin=protoc-gen-mypy={plugin}"]
    outputs = [f"--python_out={into}", f"--mypy_out=quiet:{into}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *outputs, *files], check=True)


def made(folder: Path) -> dict[str, Path]:
    """Every generated file in a folder, by its path within."""
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*_pb2.py*")) if path.suffix != ".pyc"}


def differences() -> list[str]:
    """The stubs that are not what the schemas say."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {name: path.read_text() for name, path in made(Path(folder) / PROTO).items()}
    kept = {name: path.read_text() for name, path in made(PROTO).items()}
    return sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))


def main(arguments: list[str]) -> int:
    """Write the stubs, or with `--check` say which ones are out of date."""
    if "--check" not in arguments:
        generate(Path())
        return 0
    for name in (stale := differences()):
        print(f"proto/{name} is not what its schema says: run 'make stubs' and commit the result")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
