"""Tests of what a load finds in files: lines, Bundles, gzip, standard input, and faults with their places."""

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from yuzhen.load import files
from yuzhen.load.files import NothingToRead, sources
from yuzhen.load.items import Fault, groups

ONE = b'{"resourceType":"Patient","id":"1"}'
TWO = b'{"resourceType":"Patient","id":"2"}'


def found(path: Path | str) -> list[tuple[str, str]]:
    """Place, and type and id or fault, of everything in a file."""
    there: list[tuple[str, str]] = []
    for group in (group for source in sources([str(path)]) for group in groups(source)):
        there += [(str(item.place), f"{item.type}/{item.id}") for item in group.items]
        there += [(str(fault.place), fault.code) for fault in group.faults]
    return there


def bundle(type_: str, *entries: object) -> bytes:
    """A Bundle of these entries."""
    return orjson.dumps({"resourceType": "Bundle", "type": type_, "entry": entries})


def entry(id_: str, **more: object) -> dict[str, object]:
    """An entry with a patient."""
    return {"resource": {"resourceType": "Patient", "id": id_}, **more}


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Standard input to be filled."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=content))
    return content


def test_lines(tmp_path: Path) -> None:
    """Each line is a resource; blank ones count, faulty ones are faults of their own, and the rest comes."""
    lines = [ONE, b"", b'{"resourceType":', b'{"id":"3"}', b"[1]", b'"x"', b'{"resourceType":7}', TWO]
    (tmp_path / "a.ndjson").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    fault = "not-a-resource"
    assert found(tmp_path / "a.ndjson") == [
        ("line 1", "Patient/1"),
        *((f"line {number}", fault) for number in range(3, 8)),
        ("line 8", "Patient/2"),
    ]


def test_a_line_may_be_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is a fault, and does not take the next one with it."""
    monkeypatch.setattr(files, "LONGEST_LINE", 100)
    (tmp_path / "a.ndjson").write_bytes(b"\n".join([ONE, b"x" * 350, TWO]))
    assert found(tmp_path / "a.ndjson") == [
        ("line 1", "Patient/1"),
        ("line 2", "line-too-long"),
        ("line 3", "Patient/2"),
    ]


@pytest.mark.parametrize("type_", ["transaction", "batch", "collection", "searchset", "document"])
def test_bundles(tmp_path: Path, type_: str) -> None:
    """The entries of a Bundle come with their number, whichever kind it is; an outcome is no resource to load."""
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    content = bundle(type_, entry("1"), outcome, {"fullUrl": "urn:x"}, {"fullUrl": 7}, entry("2"))
    (tmp_path / "a.json").write_bytes(content)
    assert found(tmp_path / "a.json") == [
        ("entry 0", "Patient/1"),
        ("entry 4", "Patient/2"),
        ("entry 2", "not-a-resource"),
        ("entry 3", "entry-unreadable"),
    ]


def test_bundles_that_are_not_loaded(tmp_path: Path) -> None:
    """A history, and a Bundle whose entries are none, are refused as a whole."""
    (tmp_path / "a.ndjson").write_bytes(bundle("history", entry("1")) + b'\n{"resourceType":"Bundle","entry":7}')
    assert found(tmp_path / "a.ndjson") == [("line 1", "bundle-not-loadable"), ("line 2", "bundle-not-loadable")]


def test_what_an_entry_asks_for(tmp_path: Path) -> None:
    """Criteria come from ifNoneExist, or from a conditional update's address; a deletion is not loaded."""
    asked = [
        entry("1", request={"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a"}),
        entry("2", request={"method": "PUT", "url": "Patient?identifier=b"}),
        entry("3", request={"method": "PUT", "url": "Patient/3"}),
        entry("4", request={"method": "PATCH", "url": "Patient/4"}),
    ]
    (tmp_path / "a.json").write_bytes(bundle("transaction", *asked))
    (group,) = groups(*sources([str(tmp_path / "a.json")]))
    assert [(one.criteria, one.posted) for one in group.items] == [
        ("identifier=a", True),
        ("identifier=b", False),
        (None, False),
    ]
    assert group.faults == [Fault(group.faults[0].place, "method-not-loadable", "Patient", "4")]


def test_a_bundle_may_be_a_line(tmp_path: Path) -> None:
    """A line's Bundle is taken apart like any other, each place naming line and entry."""
    (tmp_path / "a.ndjson").write_bytes(ONE + b"\n" + bundle("collection", entry("2")))
    assert found(tmp_path / "a.ndjson") == [("line 1", "Patient/1"), ("line 2, entry 0", "Patient/2")]


def test_gzip(tmp_path: Path) -> None:
    """Lines and Bundles may be compressed; a damaged file gives what came before, and a fault."""
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(ONE + b"\n" + TWO))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(bundle("batch", entry("3"))))
    (tmp_path / "c.json.gz").write_bytes(b"no gzip at all")
    cut = gzip.compress(ONE + b"\n" + b'{"resourceType":"Patient","id":"%d"}\n' * 5, compresslevel=0)
    (tmp_path / "d.ndjson.gz").write_bytes(cut[:-20])
    whole = ("whole file", "file-unreadable")
    told = found(tmp_path)
    assert told[:4] == [("line 1", "Patient/1"), ("line 2", "Patient/2"), ("entry 0", "Patient/3"), whole]
    assert (told[4], told[-1]) == (("line 1", "Patient/1"), whole)


def test_json_by_lines(tmp_path: Path) -> None:
    """A .json file of several lines that are each a value is read by lines; one value over many lines is one."""
    (tmp_path / "a.json").write_bytes(ONE + b"\n" + TWO + b"\n")
    (tmp_path / "b.json").write_bytes(ONE.replace(b",", b",\n"))
    (tmp_path / "c.json").write_bytes(b"")
    assert found(tmp_path) == [
        ("line 1", "Patient/1"),
        ("line 2", "Patient/2"),
        ("whole file", "Patient/1"),
        ("whole file", "not-a-resource"),
    ]


@pytest.mark.parametrize(
    ("content", "places"),
    [(ONE + b"\n" + TWO, ["line 1", "line 2"]), (bundle("batch", entry("1"), entry("2")), ["entry 0", "entry 1"])],
)
def test_standard_input(stdin: io.BytesIO, content: bytes, places: list[str]) -> None:
    """Standard input may be lines or a Bundle, and can be read twice."""
    stdin.write(content)
    stdin.seek(0)
    (source,) = sources(["-"])
    for _ in range(2):
        assert [str(item.place) for group in groups(source) for item in group.items] == places


def test_folders(tmp_path: Path) -> None:
    """A folder is searched through, in order, for files that can hold resources."""
    for name in ("b/x.json", "a.ndjson", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(ONE)
    assert [Path(one.name).name for one in sources([str(tmp_path)])] == ["a.ndjson", "x.json"]


def test_nothing_to_read(tmp_path: Path) -> None:
    """A path that leads nowhere, or to a folder without such files, is told."""
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(NothingToRead):
            sources([str(path)])
