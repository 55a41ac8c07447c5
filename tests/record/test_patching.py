"""Resources changed in part: RFC 6902 and RFC 7396 through real requests, decimals as written, work bounded."""

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.failures import Invalid, Rule
from kernel.service import Room
from kernel.settings import Settings
from record.interactions.cases import NotOffered
from record.interactions.patching import JSON_PATCH, MERGE_PATCH, patched
from record.rest import fhir_routes
from record.stored import Stored
from record.write import update
from tests.support.record import Answer, RoomDoor, account, door_of

ACCOUNTS = [account("system", Role.SYSTEM), account("admin", Role.ADMIN)]
HERE = Path(__file__).parent / "json_patch"
CASES = [
    pytest.param(case, id=f"{name}-{place}")
    for name in ("tests", "spec_tests")
    for place, case in enumerate(orjson.loads((HERE / f"{name}.json").read_bytes()))
    if "patch" in case and not case.get("disabled")
]


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


async def patch(door: RoomDoor, place: str, operations: Any, *, form: str = JSON_PATCH, **headers: str) -> Answer:
    """One PATCH request by a system."""
    body = operations if isinstance(operations, bytes) else orjson.dumps(operations)
    return await door.ask("PATCH", place, by="system", body=body, content_type=form, **headers)


async def entered(door: RoomDoor, body: bytes) -> str:
    """The place of a resource just entered."""
    made = await door.ask("POST", f"/fhir/{orjson.loads(body)['resourceType']}", by="system", body=body)
    assert made.status == 201, made.body
    return f"/fhir/{made.json['resourceType']}/{made.json['id']}"


CONDITION = b'{"resourceType":"Condition","code":{"text":"x"},"subject":{"reference":"Patient/patched"}}'
BASIC = b'{"resourceType":"Basic","code":{"text":"x"}}'


def moved(operation: Any) -> Any:
    """A case's operation on a document that stands under /x."""
    if not isinstance(operation, dict):
        return operation
    inner = copy.copy(operation)
    for name in ("path", "from"):
        if isinstance(inner.get(name), str) and inner[name][:1] in {"", "/"}:
            inner[name] = f"/x{inner[name]}"
    return inner


@pytest.fixture
async def basic(patients: RoomDoor) -> str:
    """A resource to patch."""
    return await entered(patients, BASIC)


@pytest.mark.parametrize("case", CASES)
async def test_the_official_suite_passes_through_real_requests(
    patients: RoomDoor, basic: str, case: dict[str, Any]
) -> None:
    """Every case of the RFC's test suite: the document is put into a resource, patched, tested and taken out again."""
    operations = [{"op": "add", "path": "/x", "value": case["doc"]}, *map(moved, case["patch"])]
    if "expected" in case:
        operations.append({"op": "test", "path": "/x", "value": case["expected"]})
    answer = await patch(patients, basic, [*operations, {"op": "remove", "path": "/x"}])
    assert answer.status in ({400, 422} if "error" in case else {200}), answer.body
    assert answer.status != 200 or answer.json["code"] == {"text": "x"}


async def test_the_suite_is_whole() -> None:
    """No case of the suite is lost on the way here."""
    assert len(CASES) == 91


DECIMALS = ["1.00", "1e2", "1E+2", "0.10", "-0.0", "123456789012345678901.123456789012345678901", "1e-300", "7"]


@pytest.mark.parametrize("form", [JSON_PATCH, MERGE_PATCH])
async def test_decimals_stay_as_they_were_written(patients: RoomDoor, form: str) -> None:
    """Neither a decimal that a patch passes by nor one that it brings is written anew."""
    parts = ",".join(f'{{"code":{{"text":"x"}},"valueQuantity":{{"value":{number}}}}}' for number in DECIMALS)
    body = f'{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"component":[{parts}]}}'
    place = await entered(patients, body.encode())
    bring = '{"value":0.1200,"unit":"mg"}'
    if form == JSON_PATCH:
        change = f'[{{"op":"add","path":"/valueQuantity","value":{bring}}}]'
    else:
        change = f'{{"valueQuantity":{bring}}}'
    answer = await patch(patients, place, change.encode(), form=form)
    assert answer.status == 200, answer.body
    assert f'"component":[{parts}]'.encode() in answer.body
    assert f'"valueQuantity":{bring}'.encode() in answer.body


@pytest.mark.parametrize(("value", "fits"), [("1.0", True), ("1", True), ("10e-1", True), ("true", False)])
async def test_numbers_are_compared_by_value(patients: RoomDoor, basic: str, value: str, fits: bool) -> None:
    """1, 1.00 and 10e-1 are one number; true is none."""
    operations = f"""[{{"op":"add","path":"/x","value":1.00}},{{"op":"test","path":"/x","value":{value}}},
        {{"op":"remove","path":"/x"}}]"""
    answer = await patch(patients, basic, operations.encode())
    assert answer.status == (200 if fits else 422)


async def test_a_merge_patch_does_what_its_rfc_shows(patients: RoomDoor) -> None:
    """Null takes away, objects are merged, arrays and all else take the place of what was there."""
    made = b"""{"resourceType":"Basic","language":"zh","code":{"text":"x","coding":[{"code":"a"},{"code":"b"}]},
        "created":"2026-01-01"}"""
    change = {"language": None, "created": "2026-02-02", "code": {"coding": [{"code": "c"}]}}
    answer = await patch(patients, await entered(patients, made), change, form=MERGE_PATCH)
    assert answer.status == 200
    left = {name: value for name, value in answer.json.items() if name not in {"id", "meta"}}
    assert left == {
        "resourceType": "Basic",
        "code": {"text": "x", "coding": [{"code": "c"}]},
        "created": "2026-02-02",
    }


@pytest.mark.parametrize(
    ("form", "operations", "status", "code"),
    [
        (JSON_PATCH, [{"op": "test", "path": "/code/text", "value": "y"}], 422, "patch-test-failed"),
        (JSON_PATCH, [{"op": "remove", "path": "/nothing"}], 422, "patch-unfit"),
        (JSON_PATCH, [{"op": "replace", "path": "/code/coding/0", "value": 1}], 422, "patch-unfit"),
        (JSON_PATCH, [{"op": "replace", "path": "/id", "value": "other"}], 400, "id-mismatch"),
        (JSON_PATCH, [{"op": "replace", "path": "/resourceType", "value": "Patient"}], 400, "id-mismatch"),
        (JSON_PATCH, [{"op": "remove", "path": "/code"}], 400, "resource-invalid"),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": [1]}], 400, "not-json"),
        (JSON_PATCH, [{"op": "append", "path": "/code/text", "value": "y"}], 400, "patch-unreadable"),
        (JSON_PATCH, [{"op": "add", "path": "/code"}], 400, "patch-unreadable"),
        (JSON_PATCH, [{"op": "add", "path": 7, "value": 1}], 400, "patch-unreadable"),
        (JSON_PATCH, [{"op": "remove", "path": "/" + "9" * 5000}], 400, "patch-unreadable"),
        (JSON_PATCH, ["remove"], 400, "patch-unreadable"),
        (JSON_PATCH, [{"op": ["remove"], "path": "/code"}], 400, "patch-unreadable"),
        (JSON_PATCH, [{"op": {"remove": 1}, "path": "/code"}], 400, "patch-unreadable"),
        (JSON_PATCH, [], 400, "patch-unreadable"),
        (JSON_PATCH, {"op": "remove", "path": "/code"}, 400, "patch-unreadable"),
        (JSON_PATCH, b"[", 400, "patch-unreadable"),
        (JSON_PATCH, b"[" * 4000 + b"]" * 4000, 400, "patch-unreadable"),
        (JSON_PATCH, b"[" * 200 + b"]" * 200, 400, "patch-too-large"),
        (JSON_PATCH, [{"op": "test", "path": "", "value": 1}] * 501, 400, "patch-too-large"),
        (MERGE_PATCH, [1], 400, "patch-unreadable"),
        (MERGE_PATCH, {"id": None}, 400, "id-mismatch"),
        (MERGE_PATCH, {"meta": {"tag": [{"system": "s", "code": ""}]}}, 400, "resource-invalid"),
        ("application/fhir+json", {"resourceType": "Parameters"}, 415, "patch-media-unknown"),
        ("text/plain", b"x", 415, "patch-media-unknown"),
    ],
)
async def test_each_refused_patch_changes_nothing(
    patients: RoomDoor, basic: str, form: str, operations: Any, status: int, code: str
) -> None:
    """A patch that cannot be carried out is refused in clear words and leaves the resource at its version."""
    answer = await patch(patients, basic, operations, form=form)
    assert (answer.status, answer.codes[0]) == (status, code)
    assert (await patients.ask("GET", basic, by="system")).headers["etag"] == 'W/"1"'


async def test_a_refusal_names_the_operation(patients: RoomDoor, basic: str) -> None:
    """The index of the operation that failed is said, and nothing of the values."""
    operations = [
        {"op": "replace", "path": "/code/text", "value": "changed"},
        {"op": "test", "path": "/code/text", "value": "陈静"},
    ]
    answer = await patch(patients, basic, operations)
    assert answer.json["issue"][0]["diagnostics"] == "Operation 1."
    assert "陈静" not in answer.body.decode()


async def test_copies_are_bounded(patients: RoomDoor, basic: str) -> None:
    """Doubling a value again and again ends long before memory does."""
    doubled = [{"op": "copy", "from": "/x", "path": "/x/-"}] * 60
    grown = await patch(patients, basic, [{"op": "add", "path": "/x", "value": ["a" * 1000]}, *doubled])
    assert (grown.status, grown.codes) == (400, ["patch-too-large"])
    large = [{"op": "copy", "from": "/x", "path": f"/y{n}"} for n in range(100)]
    grown = await patch(patients, basic, [{"op": "add", "path": "/x", "value": "a" * 1_000_000}, *large])
    assert (grown.status, grown.codes) == (400, ["patch-too-large"])


async def test_a_patch_goes_by_versions(patients: RoomDoor, basic: str) -> None:
    """If-Match holds for a patch; what the patch says of versionId counts for nothing."""
    change = [
        {"op": "replace", "path": "/code/text", "value": "y"},
        {"op": "replace", "path": "/meta/versionId", "value": "77"},
    ]
    first = await patch(patients, basic, change, if_match='W/"1"')
    assert (first.status, first.headers["etag"], first.json["meta"]["versionId"]) == (200, 'W/"2"', "2")
    stale = await patch(patients, basic, change, if_match='W/"1"')
    assert (stale.status, stale.codes) == (412, ["version-stale"])
    unknown = await patch(patients, "/fhir/Basic/none", change)
    assert (unknown.status, unknown.codes) == (404, ["resource-unknown"])


POINTERS = st.sampled_from(
    ["", "/", "/x", "/x/0", "/x/-", "/x/01", "/x/-1", "/y/a~0b", "/y/~1", "/z/z", "x", "/x/٣", "/~"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "append", "", 1, None]),
            "path": POINTERS | VALUES,
            "from": POINTERS | VALUES,
            "value": VALUES,
        },
    )
    | VALUES,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(OPERATIONS)
def test_no_patch_ever_ends_in_a_fault(operations: list[Any]) -> None:
    """Whatever the operations are, the end is a changed document or a refusal of ours."""
    body = b'{"x":[1,2.50,{"a":true}],"y":{"a~b":null,"/":[]}}'
    with contextlib.suppress(Invalid, Rule):
        changed = patched(body, json.dumps(operations, default=str).encode(), media_type=JSON_PATCH)
        json.loads(changed)


async def test_a_patch_is_held_to_the_rooms_own_case(record: Settings) -> None:
    """Where a room has its own way of replacing a type, a patch goes that way, with the version it was made for."""
    told: list[tuple[str, int | None]] = []

    async def replace(
        tx: Transaction,
        resource: dict[str, Any],
        body: bytes,
        *,
        id: str,
        expected: int | None,
        by: Principal,
        room: Room,
    ) -> Stored:
        told.append((resource["code"]["text"], expected))
        return await update(tx, body, id=id, now=room.clock.now(), expected=expected)

    routers = fhir_routes("patients", updates={"Condition": replace, "Patient": NotOffered("nothing")})
    async with door_of("patients", record, routers=routers, accounts=ACCOUNTS) as door:
        place = await entered(door, CONDITION)
        change = [{"op": "replace", "path": "/code/text", "value": "y"}]
        done = await patch(door, place, change)
        assert (done.status, told) == (200, [("y", 1)])
        stale = await patch(door, place, change, if_match='W/"1"')
        assert (stale.status, len(told)) == (412, 1)
        refused = await patch(door, "/fhir/Patient/x", change)
        assert (refused.status, refused.codes) == (405, ["write-not-offered"])


async def test_of_many_patches_none_is_lost(patients: RoomDoor, basic: str) -> None:
    """Sixteen patches at once, each adding its own entry, leave sixteen entries."""
    await patch(patients, basic, [{"op": "add", "path": "/identifier", "value": [{"value": "x"}]}])
    answers = await asyncio.gather(
        *(
            patch(patients, basic, [{"op": "add", "path": "/identifier/-", "value": {"value": f"{n}"}}])
            for n in range(16)
        )
    )
    assert {answer.status for answer in answers} == {200}
    now = (await patients.ask("GET", basic, by="system")).json
    assert {one["value"] for one in now["identifier"]} == {"x", *map(str, range(16))}
    assert now["meta"]["versionId"] == "18"
