"""Whatever is sent to the public door: a clear answer in bounded time and memory, and nothing half written."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from kernel.auth.principal import Role
from tests.gateway.fuzzing import faults
from tests.gateway.odd_requests import Odd, odd_requests
from tests.support.gate import FHIR, ITSELF, Gate, gate_of
from tests.support.platform import Platform
from tests.support.record import Answer
from tests.support.rooms import principal

SEED = 20261125
ODD = 1_500
AT_ONCE = 6
BOUNDED = 200 * 1024 * 1024
"""Bytes a room may have grown by after the largest requests; one request holding all it names would take far more."""
FORM = "application/x-www-form-urlencoded"
BASIC = {"resourceType": "Basic", "code": {"text": "hostile"}}


async def asked(gate: Gate, odd: Odd) -> Answer:
    """The answer to an odd request."""
    return await gate.ask(odd.method, odd.path, body=odd.body, **odd.headers)


def wrong(answer: Answer) -> list[str]:
    """What is wrong with an answer."""
    return list(faults(answer.status, answer.headers, answer.body))


def resident(platform: Platform) -> Mapping[str, int]:
    """Bytes of memory each part holds."""
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        name: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for name, pid in platform.pids().items()
    }


async def test_odd_requests_get_clear_answers(rough: Platform) -> None:
    """Examples with one thing wrong and searches out of odd parts: never a 5xx, each answer sound FHIR."""
    turn, statuses = asyncio.Semaphore(AT_ONCE), Counter[int]()
    bad: list[tuple[str, Odd]] = []
    async with gate_of(rough) as gate:
        said = (await gate.ask("GET", "/metadata")).json
        searched = {one["type"]: [p["name"] for p in one.get("searchParam", ())] for one in said["rest"][0]["resource"]}

        async def one(odd: Odd) -> None:
            async with turn:
                answer = await asked(gate, odd)
            statuses[answer.status] += 1
            bad.extend((fault, odd) for fault in wrong(answer))

        await asyncio.gather(*(one(odd) for odd in odd_requests(ODD, seed=SEED, searched=searched)))
    assert bad == []
    assert {200, 201, 400, 404, 405, 406, 415, 422} <= statuses.keys()


NUL = {
    "in the address": Odd("GET", "/Basic/a%00b"),
    "in a type": Odd("GET", "/Bas%00ic/x"),
    "in a parameter's name": Odd("GET", "/Basic?co%00de=x"),
    "in a value": Odd("GET", "/Basic?code=a%00b"),
    "in a modifier": Odd("GET", "/Basic?code:no%00t=x"),
    "in a chain": Odd("GET", "/Basic?subject:Patient.na%00me=x"),
    "in _sort": Odd("GET", "/Basic?_sort=%00"),
    "in _include": Odd("GET", "/Basic?_include=Basic:%00"),
    "in _elements": Odd("GET", "/Basic?_elements=%00"),
    "in _since": Odd("GET", "/Basic/_history?_since=%00"),
    "in a page": Odd("GET", "/Basic?_page=%00"),
    "in a form": Odd("POST", "/Basic/_search", b"code=\x00", {"content-type": FORM}),
    "in criteria": Odd("PUT", "/Basic?identifier=%00", orjson.dumps(BASIC)),
    "in If-None-Exist": Odd("POST", "/Basic", orjson.dumps(BASIC), {"if-none-exist": "identifier=%00"}),
    "in a body": Odd("POST", "/Basic", b'{"resourceType":"Basic","code":{"text":"\x00"}}'),
    "escaped in a body": Odd("POST", "/Basic", b'{"resourceType":"Basic","code":{"text":"\\u0000"}}'),
    "in an element's name": Odd("POST", "/Basic", b'{"resourceType":"Basic","co\\u0000de":{"text":"x"}}'),
    "in an id": Odd("PUT", "/Basic/x", b'{"resourceType":"Basic","id":"\\u0000","code":{"text":"x"}}'),
    "in a patch": Odd("PATCH", "/Basic/x", b'{"a":"\\u0000"}', {"content-type": "application/merge-patch+json"}),
    "in an entry": Odd(
        *("POST", ""),
        b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Basic?code=\\u0000"}}]}',
    ),
    "in an entry's address": Odd(
        *("POST", ""),
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Basic/%00"}}]}',
    ),
}


@pytest.mark.parametrize("odd", NUL.values(), ids=NUL.keys())
async def test_a_nul_is_refused_everywhere(rough: Platform, odd: Odd) -> None:
    """A NUL byte, which no text of a record may hold, is refused with a 4xx wherever it stands."""
    async with gate_of(rough) as gate:
        answer = await asked(gate, odd)
    assert wrong(answer) == []
    assert 400 <= answer.status < 500 or b'"status":"400' in answer.body, answer


def test_a_nul_in_a_header_ends_the_request(rough: Platform) -> None:
    """Bytes that are no header are answered with 400, or the line is closed."""
    for line in (b"Accept: a\x00b", b"X\x00: y", b"If-None-Exist: a\x00b", b"\x00"):
        with socket.create_connection(("127.0.0.1", rough.settings.port), timeout=20) as door:
            door.sendall(b"GET /fhir/Basic HTTP/1.1\r\nHost: x\r\n" + line + b"\r\nConnection: close\r\n\r\n")
            answered = door.recv(4096)
        assert not answered or answered.split(b" ")[1] in {b"400", b"401"}, answered


def deep(levels: int) -> bytes:
    """Extensions inside one another."""
    return b'{"resourceType":"Basic","code":' + b'{"extension":[' * levels + b"{}" + b"]}" * levels + b"}"


def entries(count: int, kind: str, entry: Any) -> bytes:
    """A Bundle of so many entries."""
    return orjson.dumps({"resourceType": "Bundle", "type": kind, "entry": [entry] * count})


LARGE = {
    "deep nesting": Odd("POST", "/Basic", deep(50_000)),
    "deep arrays": Odd("POST", "/Basic", b"[" * 1_000_000),
    "a deep Bundle": Odd("POST", "", b'{"resourceType":"Bundle","type":"batch","entry":' + b"[" * 500_000),
    "many small values": Odd("POST", "/Basic", b'{"resourceType":"Basic","extension":[' + b"{}," * 900_000 + b"{}]}"),
    "many names": Odd(
        *("POST", "/Basic"),
        b'{"resourceType":"Basic",' + b",".join(b'"a%d":1' % n for n in range(200_000)) + b"}",
    ),
    "one long text": Odd("POST", "/Basic", b'{"resourceType":"Basic","code":{"text":"' + b"x" * 3_900_000 + b'"}}'),
    "a long number": Odd(
        "POST", "/Observation", b'{"resourceType":"Observation","valueInteger":' + b"1" * 3_000_000 + b"}"
    ),
    "too many bytes": Odd("POST", "/Basic", b" " * 5_000_000),
    "10,000 reads": Odd("POST", "", entries(10_000, "batch", {"request": {"method": "GET", "url": "Basic/x"}})),
    "10,000 writes": Odd(
        *("POST", ""),
        entries(10_000, "transaction", {"resource": BASIC, "request": {"method": "POST", "url": "Basic"}}),
    ),
    "a Bundle of Bundles": Odd(
        *("POST", ""),
        entries(
            900,
            "batch",
            {"resource": {"resourceType": "Bundle", "type": "batch"}, "request": {"method": "POST", "url": ""}},
        ),
    ),
    "thousands of parameters": Odd("GET", "/Basic?" + "&".join("code=x" for _ in range(5_000))),
    "thousands in a form": Odd("POST", "/Basic/_search", b"&".join([b"code=x"] * 100_000), {"content-type": FORM}),
    "thousands of values": Odd("POST", "/Basic/_search", b"code=" + b"x," * 100_000, {"content-type": FORM}),
    "a giant count": Odd("GET", "/Slot?_count=999999999999999999999999"),
    "a large count": Odd("GET", "/Slot?_count=999999&_include=*&_revinclude=*"),
    "a giant history": Odd("GET", "/Slot/_history?_count=999999"),
    "a long chain": Odd("GET", "/Basic?" + "subject." * 300 + "name=x"),
    "many _has": Odd("GET", "/Patient?" + "_has:Observation:patient:" * 100 + "code=x"),
    "a patch of many steps": Odd(
        *("PATCH", "/Basic/x"),
        orjson.dumps([{"op": "copy", "from": "", "path": "/x"}] * 50_000),
        {"content-type": "application/json-patch+json"},
    ),
    "a patch that doubles": Odd(
        *("PATCH", "/Patient/patient-001"),
        orjson.dumps([{"op": "copy", "from": "/name", "path": "/name/-"}] * 400),
        {"content-type": "application/json-patch+json"},
    ),
}


async def test_large_requests_are_bounded(rough: Platform) -> None:
    """Depth, size and number have an end: an answer within the client's patience, and memory that is given back."""
    before = resident(rough)
    async with gate_of(rough) as gate:
        for _ in range(3):
            for name, odd in LARGE.items():
                async with asyncio.timeout(30):
                    answer = await asked(gate, odd)
                assert wrong(answer) == [], name
    grown = {name: after - before[name] for name, after in resident(rough).items()}
    assert {name: bytes_ for name, bytes_ in grown.items() if bytes_ > BOUNDED} == {}
    assert rough.is_ready()


async def test_large_requests_side_by_side_starve_nobody(rough: Platform) -> None:
    """While the largest bodies are refused, a read is still answered."""
    async with gate_of(rough) as gate:
        large = [asyncio.create_task(asked(gate, LARGE[name])) for name in ("many names", "10,000 writes") * 8]
        async with asyncio.timeout(30):
            assert (await gate.ask("GET", "/Patient/patient-001")).status == 200
            answers = await asyncio.gather(*large)
    assert [wrong(answer) for answer in answers if wrong(answer)] == []


async def test_a_half_sent_body_writes_nothing(rough: Platform) -> None:
    """A client that goes away in the middle of its body has written nothing, and nobody waits for it."""
    name = "half-sent"
    body = orjson.dumps({**BASIC, "identifier": [{"system": "urn:x", "value": name}]})
    async with gate_of(rough) as gate:
        head = (
            f"POST /fhir/Basic HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gate.token}\r\n"
            f"Content-Type: {FHIR}\r\nContent-Length: {len(body) + 10}\r\n\r\n"
        ).encode()
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", rough.settings.port), timeout=20) as door:
                door.sendall(head + body)
        waiting = [socket.create_connection(("127.0.0.1", rough.settings.port), timeout=20) for _ in range(50)]
        for door in waiting:
            door.sendall(head + body[:20])
        found = await gate.ask("GET", f"/Basic?identifier=urn:x|{name}")
        for door in waiting:
            door.close()
    assert found.status == 200
    assert "entry" not in found.json


async def test_nothing_is_half_written(rough: Platform) -> None:
    """A transaction whose last entry is refused leaves none of the others behind."""
    mark = "half-written"
    made = {**BASIC, "identifier": [{"system": "urn:x", "value": mark}]}
    entry = {"resource": made, "request": {"method": "POST", "url": "Basic"}}
    for last in ({**made, "code": {"text": 1}}, {**made, "colour": "red"}, {"resourceType": "Starship"}):
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [entry] * 20 + [{**entry, "resource": last}],
        }
        async with gate_of(rough) as gate:
            refused = await gate.ask("POST", "", body=bundle)
            found = await gate.ask("GET", f"/Basic?identifier=urn:x|{mark}")
        assert 400 <= refused.status < 500, refused
        assert "entry" not in found.json


async def test_refusals_tell_nothing_of_what_was_sent(rough: Platform) -> None:
    """No refusal quotes a searched value or a text of the body."""
    secret = "SecretName渝"
    asked_ = [
        Odd("GET", f"/Patient?birthdate={quote(secret)}"),
        Odd("GET", f"/Patient?_count={quote(secret)}"),
        Odd("GET", f"/Patient?_sort={quote(secret)}"),
        Odd("POST", "/Patient", orjson.dumps({"resourceType": "Patient", "gender": secret})),
        Odd("POST", "/Patient", orjson.dumps({"resourceType": "Patient", "birthDate": secret})),
        Odd("POST", "/Patient", orjson.dumps({"resourceType": "Patient", "name": secret})),
        Odd("POST", "/Patient", orjson.dumps({"resourceType": secret})),
        Odd(
            "PATCH",
            "/Patient/patient-001",
            orjson.dumps([{"op": secret}]),
            {"content-type": "application/json-patch+json"},
        ),
    ]
    async with gate_of(rough) as gate:
        for odd in asked_:
            answer = await asked(gate, odd)
            assert 400 <= answer.status < 500, odd
            assert secret.encode() not in answer.body, odd
    assert not any(secret.encode() in log.read_bytes() or b"SecretName" in log.read_bytes() for log in rough.logs())


async def test_no_role_is_answered_by_a_fault(rough: Platform) -> None:
    """Odd requests of patients, doctors, pharmacists, administrators and strangers are refused as clearly."""
    people = [
        principal(Role.PATIENT, "Patient/patient-001"),
        principal(Role.PRACTITIONER, "Practitioner/nobody", clinics=("HealthcareService/none",)),
        principal(Role.PHARMACIST, organization="Organization/none"),
        principal(Role.ADMIN),
    ]
    bad = []
    async with gate_of(rough, ITSELF) as gate:
        said = (await gate.ask("GET", "/metadata")).json
    searched = {one["type"]: [p["name"] for p in one.get("searchParam", ())] for one in said["rest"][0]["resource"]}
    for n, by in enumerate(people):
        async with gate_of(rough, by) as gate:
            for odd in odd_requests(100, seed=SEED + n, searched=searched):
                answer = await asked(gate, odd)
                bad += [(fault, odd) for fault in wrong(answer)]
    assert bad == []


async def test_slow_clients_do_not_hold_others(rough: Platform) -> None:
    """Many lines that say nothing at all take no one's place."""
    idle = [socket.create_connection(("127.0.0.1", rough.settings.port), timeout=20) for _ in range(200)]
    async with gate_of(rough) as gate, asyncio.timeout(30):
        answers = await asyncio.gather(*(gate.ask("GET", "/Patient/patient-001") for _ in range(20)))
    for door in idle:
        door.close()
    assert {answer.status for answer in answers} == {200}


async def test_the_client_may_go_away(rough: Platform) -> None:
    """A client that stops listening in the middle of an answer leaves a platform that works."""
    async with gate_of(rough) as gate:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.002):
                    await gate.ask("GET", "/Slot?_count=200")
        assert (await gate.ask("GET", "/Patient/patient-001")).status == 200
    assert rough.is_ready()
