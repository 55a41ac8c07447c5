"""See to it that the journeys have a Chromium to walk in, or say loudly that they will be skipped."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Where Chromium is on this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def install() -> None:
    """Debian's Chromium, where this user may install it."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Chromium is missing: installing Debian's")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("apt-get update -qq", "apt-get install -y -qq --no-install-recommends chromium"):
            subprocess.run(command.split(), env=quiet, stdout=subprocess.DEVNULL, check=False)


def main() -> int:
    """0 when there is a browser, or when there need not be one."""
    if find() is None:
        install()
    if find():
        return 0
    if os.environ.get("CI") == "true":
        print("Chromium is missing and could not be installed: under CI the browser journeys must run.")
        return 1
    line = "!" * 100
    print(f"{line}\nChromium is missing: THE BROWSER JOURNEYS ARE SKIPPED. Install chromium to run them.\n{line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
