"""Make .venv hold exactly what requirements.lock says. Parses under old Pythons too, so that it can refuse them."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")
FOLDER = Path(".venv")
PYTHON = FOLDER / "bin" / "python"


def find_python() -> None:
    """Go on under a Python that is new enough, or name what is missing."""
    if sys.version_info[:2] >= OLDEST:
        return
    for name in NEWER:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, *sys.argv])  # noqa: S606 - the interpreter just found
    shown = platform.python_version()
    sys.exit(f"Python 3.11 or newer is missing ({sys.executable} is {shown}). Install it, or say PYTHON=/path/to/it.")


def look_at_machine() -> None:
    """Name what the machine lacks for the database and media wheels."""
    name, version = platform.libc_ver()
    if sys.platform == "darwin" or (name == "glibc" and tuple(map(int, version.split(".")[:2])) >= (2, 28)):
        return
    sys.exit(f"Linux with glibc 2.28 or newer, or macOS, is needed; this machine has {name or sys.platform} {version}.")


def run(*command: str, hint: str) -> None:
    """Run one step. Stops with a hint in plain words when it fails."""
    if subprocess.run(command, check=False).returncode:
        sys.exit(hint)


def make_folder() -> None:
    """A .venv with a Python that is new enough, made anew when it is older."""
    ask = "import sys; sys.exit(sys.version_info < (3, 11))"
    if PYTHON.exists() and subprocess.run([str(PYTHON), "-c", ask], check=False).returncode == 0:
        return
    missing = "Python cannot make a virtual environment here. On Debian and Ubuntu: apt-get install python3-venv"
    run(sys.executable, "-m", "venv", "--clear", str(FOLDER), hint=missing)


def install() -> None:
    """The packages of the lock file, checked by hash, then this tree itself."""
    unreachable = "Installing stopped. The lines above say why; this machine must reach a Python package registry."
    uv = FOLDER / "bin" / "uv"
    if not uv.exists():
        if not (FOLDER / "bin" / "pip").exists():
            run(str(PYTHON), "-m", "ensurepip", "--upgrade", hint="This Python has no pip: install python3-pip.")
        pip = (str(PYTHON), "-m", "pip", "install", "--quiet")
        run(*pip, "--require-hashes", "-r", "tools/uv.txt", hint=unreachable)
    here = (str(uv), "pip", "install", "--quiet", "--python", str(PYTHON))
    run(*here, "--require-hashes", "-r", "requirements.lock", hint=unreachable)
    run(*here, "--no-deps", "--no-build-isolation", "-e", ".", hint=unreachable)


if __name__ == "__main__":
    find_python()
    look_at_machine()
    make_folder()
    install()
    (FOLDER / "installed").touch()
