"""The browser client: its own tests, and what its built files may hold."""

import re
from pathlib import Path

import pytest

from tools import node, web

DIST = web.WEB / "dist"
ADDRESS = re.compile(r"https?://([\w.-]+)")
NAMES = {"yuzhen.example", "hl7.org", "terminology.hl7.org", "fhir.cq.hc", "unitsofmeasure.org", "www.w3.org"}
"""Addresses that are names of codes and namespaces; nothing is ever loaded from them."""


def built(*endings: str) -> list[Path]:
    """The client's built files with one of these endings."""
    found = [file for file in DIST.rglob("*") if file.suffix in endings]
    assert found, "The web client is not built: run make web."
    return found


def test_own_tests_pass() -> None:
    """Every unit test of the client passes."""
    assert node.npm(web.WEB, "run", "--silent", "test") == 0


def test_page_holds_no_inline_code() -> None:
    """The page runs under a content policy that allows the platform's own files only."""
    page = (DIST / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\son\w+=|\sstyle=", page)
    scripts = re.findall(r"<script([^>]*)>([^<]*)</script>", page)
    assert scripts
    assert all(" src=" in attributes and not inside for attributes, inside in scripts)


@pytest.mark.parametrize("ending", [".js", ".css", ".html"])
def test_nothing_comes_from_elsewhere(ending: str) -> None:
    """No built file names a host other than the names of codes."""
    hosts = {host for file in built(ending) for host in ADDRESS.findall(file.read_text(encoding="utf-8"))}
    assert hosts <= NAMES


def test_every_component_is_short() -> None:
    """A component only draws state, in 120 lines at most."""
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in web.WEB.glob("src/**/*.tsx")}
    assert lengths
    assert not {name: lines for name, lines in lengths.items() if lines > 120}


def test_only_the_fhir_folder_knows_addresses() -> None:
    """Addresses of the platform are written in src/fhir/paths.ts and nowhere else."""
    quoted = re.compile(r"""['"`]/(fhir|consult|pharmacy|identity|token|authorize|live)\b""")
    knowing = {file.name for file in web.WEB.glob("src/**/*.ts*") if quoted.search(file.read_text(encoding="utf-8"))}
    assert knowing == {"paths.ts", "client.ts"}
