"""What is rendered for a cluster keeps the house's promises: every room, no root, own secrets, known settings."""

import functools
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kernel.settings import Settings
from tools.manifests import FOLDERS, rendered
from yuzhen.rooms import HTTP_ROOMS, SERVICES

SETTINGS = {field.metadata["env"] for field in fields(Settings)}
PROCESSES = {*HTTP_ROOMS, "rtc", "worker", "migrate"}


@functools.cache
def objects(folder: str = "k8s/base") -> dict[tuple[str, str], dict[str, Any]]:
    """The rendered objects by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in rendered(folder)}


def pods(folder: str = "k8s/base") -> dict[str, dict[str, Any]]:
    """The pod of every process by its name."""
    found = {name: one for (kind, name), one in objects(folder).items() if kind in {"Deployment", "Job"}}
    return {name: one["spec"]["template"]["spec"] for name, one in found.items()}


def secret_files(pod: dict[str, Any]) -> set[str]:
    """Names of the secret files a pod can read."""
    volumes = [volume["secret"] for volume in pod.get("volumes", ()) if "secret" in volume]
    return {item["path"] for secret in volumes for item in secret["items"]}


def test_every_process_is_deployed() -> None:
    """Each room has its Deployment and, if anyone talks to it, its Service; migrate is a Job."""
    assert pods().keys() == PROCESSES
    assert ("Job", "migrate") in objects()
    assert {name for kind, name in objects() if kind == "Service"} == {*HTTP_ROOMS, "rtc"}
    for room in HTTP_ROOMS:
        assert pods()[room]["containers"][0]["args"] == ["yuzhen", "room", room]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_process_may_more_than_it_must(folder: str) -> None:
    """No root, no writable image, no extra rights, no cluster token, bounded memory."""
    assert pods(folder)
    for pod in pods(folder).values():
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert not pod.get("hostNetwork")


def test_http_rooms_are_probed() -> None:
    """A room is alive by /healthz and ready by /readyz; the media node by its open port."""
    for room in HTTP_ROOMS:
        [container] = pods()[room]["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "tcpSocket" in pods()["rtc"]["containers"][0]["readinessProbe"]


def test_each_room_reads_its_own_secrets_alone() -> None:
    """A room holds its own database password and no other; only identity holds the signing key."""
    for room in HTTP_ROOMS:
        files = secret_files(pods()[room])
        assert {name for name in files if name.startswith("db-")} == {f"db-{room}"}
        assert ("identity-signing.pem" in files) == (room == "identity")
    assert secret_files(pods()["rtc"]) == set()
    everyone = {f"db-{room}" for room in HTTP_ROOMS}
    assert secret_files(pods()["migrate"]) == {*everyone, "db-yuzhen_owner"}
    assert {f"db-{room}" for room in SERVICES} <= secret_files(pods()["worker"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_settings_are_known(folder: str) -> None:
    """Every setting of a ConfigMap or a container is one the code reads, and no ConfigMap carries a password."""
    configured = [one["data"] for (kind, _), one in objects(folder).items() if kind == "ConfigMap"]
    given = {name for entries in configured for name in entries}
    given |= {entry["name"] for pod in pods(folder).values() for entry in pod["containers"][0].get("env", ())}
    assert given
    assert given <= SETTINGS
    assert not [value for entries in configured for value in entries.values() if "@" in value]


def test_configured_settings_are_usable() -> None:
    """The ConfigMap is accepted as it stands, for production, with every room at its own Service."""
    [configured] = [one["data"] for (kind, _), one in objects().items() if kind == "ConfigMap"]
    settings = Settings.from_environment(configured)
    assert not settings.demo
    for room in HTTP_ROOMS:
        assert settings.room_address(room) == (f"http://{room}:8000", None)
    assert settings.media_port == pods()["rtc"]["containers"][0]["ports"][0]["hostPort"]


def test_network_is_closed_by_default() -> None:
    """A policy for all pods allows nothing, and every other policy opens a named port only."""
    policies = {name: one["spec"] for (kind, name), one in objects().items() if kind == "NetworkPolicy"}
    assert policies.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies
    for spec in policies.values():
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
            assert rule["ports"]


def test_container_image_needs_no_root() -> None:
    """The Dockerfile takes a room and hands over to the user the manifests name."""
    lines = Path("Dockerfile").read_text().splitlines()
    assert "ARG ROOM=gateway" in lines
    assert "USER 10001" in lines
