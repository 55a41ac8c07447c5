"""Tests of `yuzhen load` against a running platform: all of it, again, with faults, killed on the way."""

import json
import signal
import time
import urllib.request
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from uuid import uuid4

import pytest
from rich.console import Console

from kernel.settings import Settings
from tests.patients.test_registering import identity_number, person
from tests.support.platform import Platform
from tests.yuzhen.load.history import STAFF, Resource, bundle, doctor_entry, observation, patient, uuid, visits, written
from yuzhen.load import gateway
from yuzhen.load.run import load
from yuzhen.load.wish import Wish, WishWrong, wish_for
from yuzhen.token import system_token

FHIR = "application/fhir+json"


@pytest.fixture
def name() -> str:
    """A name nobody else in this run uses."""
    return f"load-{uuid4()}"


@pytest.fixture
def asked(platform: Platform) -> "Asked":
    """The platform as a system asks it."""
    return Asked(platform)


class Asked:
    """The platform as a system asks it."""

    def __init__(self, platform: Platform) -> None:
        self.address = platform.address
        self._token = system_token(platform.settings, "asking")()

    def exactly(self, path: str, body: Any = None, method: str = "GET") -> bytes:
        """The very bytes of an answer."""
        content = json.dumps(body).encode() if body else None
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": FHIR}
        asked = urllib.request.Request(f"{self.address}/fhir/{path}", content, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())

    def one(self, path: str) -> Resource:
        """A resource."""
        resource: Resource = json.loads(self.exactly(path))
        return resource

    def has(self, path: str) -> bool:
        """Whether a resource is there."""
        try:
            return bool(self.exactly(path))
        except HTTPError as absent:
            if absent.code != 404:
                raise
            return False


def wish(platform: Platform, *paths: Path, source: str = "", at_once: int = 4) -> Wish:
    """A load of these files, its report beside the first."""
    report = paths[0].parent / "refused.report"
    names = [str(path) for path in paths]
    return wish_for(platform.settings, names, name=source, report=report, to="", token_file="", at_once=at_once)


def loaded(one: Wish) -> tuple[int, str]:
    """A load's exit code, and its last line of numbers: read, entered, already there, refused."""
    said = StringIO()
    code = load(one, Console(file=said, width=120))
    total = next((line for line in said.getvalue().splitlines() if "in all" in line), "")
    return code, " ".join(word.replace(",", "") for word in total.split() if word[0].isdigit())


def refused(one: Wish) -> list[dict[str, Any]]:
    """The lines of the report."""
    return [json.loads(line) for line in one.report.read_text().splitlines()]


def test_a_history_comes_in(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """A whole history comes in with its decimals as written and every link resolved; a second run changes nothing."""
    (tmp_path / "history.json").write_text(bundle(visits(name, 3), doctor_entry()))
    one = wish(platform, tmp_path / "history.json")
    assert loaded(one)[0] == 0
    assert loaded(one) == (0, "26 0 26 0")
    measured = f"Observation/{uuid(f'{name}-1-Observation')}"
    body, observed = asked.exactly(measured), asked.one(measured)
    assert b'"value":70.10,' in body
    assert observed["subject"]["reference"] == f"Patient/{uuid(name)}"
    assert observed["encounter"]["reference"] == f"Encounter/{uuid(f'{name}-1-Encounter')}"
    doctor = asked.one(observed["performer"][0]["reference"])
    assert doctor["identifier"][0]["system"] == STAFF
    assert observed["meta"]["versionId"] == "1"
    report = asked.one(f"DiagnosticReport/{uuid(f'{name}-1-DiagnosticReport')}")
    assert report["result"] == [{"reference": measured}]
    everything = asked.one(f"Patient/{uuid(name)}/$everything?_count=200")["entry"]
    assert sum(entry["search"]["mode"] == "match" for entry in everything) == 25


def test_what_is_refused_is_reported(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """Faulty lines are told by place, type, id and code, without a word of what they say; the rest comes."""
    known = uuid(name)
    faulty = {
        2: observation(f"{name}-2", known, status="taken"),
        4: {"resourceType": "Encounter", "id": f"{name}-4", "status": "in-progress", "class": {"code": "AMB"}},
        5: {"resourceType": "Starship", "id": f"{name}-5"},
    }
    faulty[4]["subject"] = {"reference": f"Patient/{known}"}
    lines = [
        *(patient(name), faulty[2], observation(f"{name}-3", known), faulty[4], faulty[5]),
        *(observation(f"{name}-{number}", known) for number in range(6, 9)),
    ]
    file = tmp_path / "lines.ndjson"
    file.write_text("\n".join(map(written, lines)) + '\n{"resourceType":')
    one = wish(platform, file)
    assert loaded(one) == (1, "9 5 0 4")
    told = {line["place"]: line for line in refused(one)}
    assert {line.pop("file") for line in told.values()} == {str(file)}
    assert told["line 2"] == {
        **{"place": "line 2", "type": "Observation", "id": f"{name}-2"},
        **{"code": "code-invalid", "expression": "Observation.status"},
    }
    assert set(told) == {"line 2", "line 4", "line 5", "line 9"}
    assert (told["line 9"]["type"], told["line 9"]["code"]) == ("", "not-a-resource")
    assert not asked.has(f"Encounter/{name}-4")
    assert all(asked.has(f"Observation/{name}-{number}") for number in (3, 6, 7, 8))


def test_many_faulty_ones_hold_nothing_up(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """When every second resource is refused, every other one is entered all the same."""
    known = uuid(name)
    lines = [
        patient(name),
        *(observation(f"{name}-{n}", known, status="taken" if n % 2 else "final") for n in range(40)),
    ]
    (tmp_path / "lines.ndjson").write_text("\n".join(map(written, lines)))
    assert loaded(wish(platform, tmp_path / "lines.ndjson")) == (1, "41 21 0 20")
    assert all(asked.has(f"Observation/{name}-{number}") for number in range(0, 40, 2))


def test_nothing_comes_into_a_strangers_record(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """Who has an identity number that is another patient's is refused, and so is all that belongs to them."""
    number = identity_number()
    known, twin = (person(number, id=f"{name}-{which}") for which in ("known", "twin"))
    (tmp_path / "a.ndjson").write_text(written(known))
    assert loaded(wish(platform, tmp_path / "a.ndjson"))[0] == 0
    # The history stands before the patient, in a file of its own.
    (tmp_path / "b.ndjson").write_text(
        written(observation(f"{name}-1", twin["id"])) + "\n" + written(observation(f"{name}-2", known["id"]))
    )
    (tmp_path / "c.ndjson").write_text(written(twin))
    one = wish(platform, tmp_path / "b.ndjson", tmp_path / "c.ndjson")
    assert loaded(one) == (1, "3 1 0 2")
    assert {line["type"]: line["code"] for line in refused(one)} == {
        "Patient": "book-01-identity-taken",
        "Observation": "patient-refused",
    }
    assert number not in one.report.read_text()
    assert [asked.has(f"Observation/{name}-{n}") for n in (1, 2)] == [False, True]


def test_systems_that_share_ids(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """Another system's patient of the same id is refused with the history, unless its source is named."""
    for system, weight in (("one", "61.0"), ("two", "82.50")):
        who = patient(name, id=name, identifier=[{"system": f"https://{system}.example", "value": name}])
        lines = [who, observation(f"{name}-1", name, note=[{"text": weight}])]
        (tmp_path / f"{system}.ndjson").write_text("\n".join(map(written, lines)))
    assert loaded(wish(platform, tmp_path / "one.ndjson")) == (0, "2 2 0 0")
    clash = wish(platform, tmp_path / "two.ndjson")
    assert loaded(clash) == (1, "2 0 0 2")
    assert [line["code"] for line in refused(clash)] == ["id-taken", "patient-refused"]
    named = wish(platform, tmp_path / "two.ndjson", source="https://two.example")
    assert loaded(named) == (0, "2 2 0 0")
    assert loaded(named) == (0, "2 0 2 0")
    found = asked.one(f"Patient?identifier=https://two.example|{name}")["entry"][0]["resource"]
    assert found["id"] != name
    assert found["meta"]["source"] == "https://two.example"


def test_what_changed_since_is_left_alone(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """A resource that was changed here after it came in is there already, and stays as it was changed."""
    (tmp_path / "a.ndjson").write_text(written(patient(name)))
    one = wish(platform, tmp_path / "a.ndjson")
    loaded(one)
    moved = {**asked.one(f"Patient/{uuid(name)}"), "telecom": [{"system": "phone", "value": "19900001234"}]}
    asked.exactly(f"Patient/{uuid(name)}", moved, "PUT")
    assert loaded(one) == (0, "1 0 1 0")
    assert asked.one(f"Patient/{uuid(name)}")["meta"]["versionId"] == "2"


def test_killed_and_begun_again(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """A load killed in the middle is begun again and ends with everything there once."""
    for number in range(6):
        (tmp_path / f"{number}.json").write_text(bundle(visits(f"{name}-{number}", 20), doctor_entry()))
    last = f"Patient/{uuid(f'{name}-0')}"
    with platform.start("load", str(tmp_path), "--report", str(tmp_path / "r"), "--at-once", "1") as process:
        while not asked.has(last) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    code, numbers = loaded(wish(platform, *sorted(tmp_path.glob("*.json"))))
    read, entered, there, faulty = map(int, numbers.split())
    assert (code, faulty, read) == (0, 0, 6 * (20 * 8 + 2))
    assert entered > 0
    assert there >= 6
    for number in range(6):
        path = f"Patient/{uuid(f'{name}-{number}')}/$everything?_count=200&_type=Observation,Encounter,Claim"
        found = [one["resource"] for one in asked.one(path)["entry"]]
        assert len(found) == 60
        assert {one["meta"]["versionId"] for one in found} == {"1"}


def test_a_room_that_falls_is_waited_for(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """The room that writes is killed during a load: the load waits and loses nothing."""
    (tmp_path / "a.json").write_text(bundle(visits(name, 40), doctor_entry()))
    platform.kill("patients")
    assert loaded(wish(platform, tmp_path / "a.json"))[0] == 0
    assert asked.has(f"Claim/{uuid(f'{name}-39-Claim')}")


def test_who_is_no_system_may_not_load(platform: Platform, name: str, tmp_path: Path) -> None:
    """With a doctor's token nothing is sent at all."""
    (tmp_path / "a.ndjson").write_text(written(patient(name)))
    (tmp_path / "token").write_text(platform.token("doctor-001"))
    one = replace(wish(platform, tmp_path / "a.ndjson"), token=(tmp_path / "token").read_text)
    assert loaded(one) == (2, "0 0 0 0")


def test_a_token_is_renewed(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """A token that is no longer accepted is asked for anew; where there is no other, the load ends with a sentence."""
    (tmp_path / "a.ndjson").write_text(written(patient(name)))
    fresh = system_token(platform.settings, "loading")
    given = iter(["expired", fresh()])
    assert loaded(replace(wish(platform, tmp_path / "a.ndjson"), token=lambda: next(given))) == (0, "1 1 0 0")
    said = StringIO()
    one = replace(wish(platform, tmp_path / "a.ndjson"), token=lambda: "expired")
    assert load(one, Console(file=said, width=120)) == 2
    assert "fresh one" in said.getvalue()


def test_what_comes_twice_is_entered_once(platform: Platform, asked: Asked, name: str, tmp_path: Path) -> None:
    """A resource that stands in a file twice, and in another file too, is entered once and refused nowhere."""
    line = written(observation(f"{name}-1", uuid(name)))
    (tmp_path / "a.ndjson").write_text("\n".join([written(patient(name)), line, line]))
    (tmp_path / "b.ndjson").write_text(line)
    assert loaded(wish(platform, tmp_path / "a.ndjson", tmp_path / "b.ndjson")) == (0, "4 2 2 0")
    assert asked.one(f"Observation/{name}-1")["meta"]["versionId"] == "1"


def test_an_unreachable_platform_is_told(
    platform: Platform, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing answers, the load ends with a sentence."""
    monkeypatch.setattr(gateway, "TRIES", 2)
    (tmp_path / "a.ndjson").write_text(written(patient(name)))
    said = StringIO()
    one = replace(wish(platform, tmp_path / "a.ndjson"), address="http://127.0.0.1:9")
    assert load(one, Console(file=said, width=120)) == 2
    assert "start again" in said.getvalue()


def test_wishes_that_cannot_be(platform: Platform, tmp_path: Path) -> None:
    """A path without files, a source's name that is none, and a machine without secrets are told beforehand."""
    with pytest.raises(WishWrong, match="No file ends in"):
        wish(platform, tmp_path)
    (tmp_path / "a.ndjson").touch()
    with pytest.raises(WishWrong, match="name is an address or a word"):
        wish(platform, tmp_path, source="old his")
    elsewhere = replace(platform, settings=Settings(state_folder=str(tmp_path)))
    with pytest.raises(WishWrong, match="access token"):
        wish(elsewhere, tmp_path)
