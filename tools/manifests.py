"""Render what is in k8s/ and hold it against the Kubernetes API's own schemas, without a cluster."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml  # type: ignore[import-untyped]

FOLDERS = ("k8s/base", *sorted(str(path.parent) for path in Path("k8s/overlays").glob("*/kustomization.yaml")))
API = "1.37"


def rendered(folder: str) -> list[dict[str, Any]]:
    """The objects a folder stands for. Raises CalledProcessError when kustomize refuses it."""
    kubectl = str(Path(sys.prefix) / "bin" / "kubectl")
    said = subprocess.run([kubectl, "kustomize", folder], check=True, stdout=subprocess.PIPE, text=True).stdout
    return list(yaml.safe_load_all(said))


def faults(folder: str) -> list[str]:
    """What the API would refuse in a folder, one sentence each."""
    found = []
    for one in rendered(folder):
        try:
            kubernetes_validate.validate(one, API, strict=True)
        except kubernetes_validate.ValidationError as wrong:
            name = f"{one.get('kind')}/{one.get('metadata', {}).get('name')}"
            found.append(f"{folder}: {name}: {'.'.join(map(str, wrong.path))}: {wrong.message}")
    return found


def main() -> int:
    """Print every fault; 1 when there are any."""
    found = [fault for folder in FOLDERS for fault in faults(folder)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
