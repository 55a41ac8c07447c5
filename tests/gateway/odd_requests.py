"""Requests no honest client sends: official examples with one thing wrong, and searches out of odd parts."""

import copy
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from record.ownership import types
from tests.record.official import sound_examples, type_of

FHIR = "application/fhir+json"
LARGEST = 60_000
"""Bytes of an example that is worth being sent so often."""
VALUES: Sequence[Any] = (
    *(None, True, 0, -1, 1.5, 1e308, 2**70, "", " ", "\x00", "\x7f\u2028", "渝" * 70, "x" * 70_000, "\ud800"),
    *([], {}, [[]], [None], {"": ""}, {"reference": "Patient/../../x"}, {"extension": [{"url": "urn:x"}]}),
    *("2026-02-30", "0000-01-01", "9999-12-31T23:59:60+14:00", "urn:uuid:x", "http://[", "Patient/1/_history/0"),
    *({"value": 1, "unit": "mg", "comparator": "~"}, {"resourceType": "Starship"}, {"resourceType": ["Patient"]}),
)
TEXTS: Sequence[str] = (
    *(
        "",
        " ",
        "x",
        ",",
        ",,",
        "\\",
        "\\,",
        "|",
        "||",
        "a|b|c|d",
        "$",
        "$$",
        "a$b$c",
        "%",
        "\x00",
        "\n",
        "渝",
        "\U0001f600",
    ),
    *("*", "ge", "ge2026-13-45", "ap0001", "eb9999-12-31T23:59:60Z", "1e400", "-1e-400", "NaN", "inf", "5.4||", "0x1"),
    *(
        "Patient/",
        "/Patient/1",
        "Patient/1/2",
        "urn:uuid:",
        "http://x/Patient/1|2",
        "#",
        "true",
        "'",
        "' or 1=1--",
        '"',
    ),
    *("x" * 5_000, "x," * 500, "(" * 200, "1" * 400, "9999999999999999999", "-1", "0", "1.0", "asc", "_id", "-_score"),
)
NAMES: Sequence[str] = (
    *(
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_security",
        "_source",
        "_text",
        "_content",
        "_filter",
        "_list",
        "_type",
    ),
    *(
        "_has:Observation:patient:code",
        "_has:Observation:patient:_has:AuditEvent:entity:action",
        "_has",
        "_has:::",
        "_query",
    ),
    *("_sort", "_count", "_total", "_include", "_include:iterate", "_revinclude", "_revinclude:iterate", "_summary"),
    *("_elements", "_contained", "_page", "_format", "_pretty", "_since", "_at", "_offset", "", ":", "a:b:c", "."),
)
MODIFIERS = (
    "missing",
    "exact",
    "contains",
    "not",
    "text",
    "identifier",
    "Patient",
    "of-type",
    "in",
    "below",
    "iterate",
    "x",
)
HEADERS: Mapping[str, Sequence[str]] = {
    "accept": (
        "",
        "*/*",
        "text/html",
        "application/fhir+xml",
        "application/json;q=0",
        "a" * 3_000,
        ";;;",
        "json; fhirVersion=5.0",
    ),
    "prefer": (
        "return=minimal",
        "return=OperationOutcome",
        "return=",
        "handling=lenient",
        "handling=strict",
        "respond-async",
        "=;=",
    ),
    "if-match": ('W/"1"', "*", "", 'W/"', '"99999999999999999999"', 'W/"1", W/"2"', "x" * 3_000),
    "if-none-match": ('W/"1"', "*", ",", 'W/"'),
    "if-modified-since": ("Thu, 01 Jan 1970 00:00:00 GMT", "yesterday", "Thu, 99 Foo 0000 99:99:99 GMT", "0"),
    "if-none-exist": ("identifier=urn:x|1", "", "=", "_id=", "%", "?identifier=x", "_sort=x", "a" * 3_000),
    "content-type": (
        "",
        "text/plain",
        "application/json; charset=utf-16",
        "application/fhir+json; fhirVersion=4.0",
        "a/b;;",
        "multipart/form-data",
    ),
    "idempotency-key": ("", "x", "x" * 3_000, "渝".encode().decode("latin-1")),
}


@dataclass(frozen=True, slots=True)
class Odd:
    """One request below /fhir."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def odd_requests(count: int, *, seed: int, searched: Mapping[str, Sequence[str]]) -> Iterator[Odd]:
    """So many requests, the same for each seed; `searched` names each type's search parameters."""
    dice = random.Random(seed)  # noqa: S311 - the same requests in each run
    bodies = [body for body in sound_examples().values() if len(body) < LARGEST and type_of(body) in types()]
    kinds = (_written, _written, _searched, _searched, _in_bundle, _patched)
    for _ in range(count):
        odd = dice.choice(kinds)(dice, dice.choice(bodies), searched)
        yield Odd(odd.method, odd.path, odd.body, {**odd.headers, **_headers(dice)})


def _written(dice: random.Random, body: bytes, searched: Mapping[str, Sequence[str]]) -> Odd:
    type_, sent = type_of(body), _broken(dice, body)
    id_ = str(json.loads(body).get("id", "x"))
    method, place = dice.choice(
        [("POST", ""), ("POST", ""), ("PUT", f"/{id_}"), ("PUT", "?identifier=urn:x|1"), ("POST", "/$validate")]
    )
    return Odd(method, f"/{type_}{place}", sent)


def _in_bundle(dice: random.Random, body: bytes, searched: Mapping[str, Sequence[str]]) -> Odd:
    entries = [
        {
            "fullUrl": dice.choice(["urn:uuid:00000000-0000-4000-8000-000000000001", "x", ""]),
            "resource": json.loads(body),
            "request": {
                "method": dice.choice(["POST", "PUT", "DELETE", "PATCH", "GET", "HEAD"]),
                "url": _place(dice, body, searched),
            },
        }
        for _ in range(dice.randint(0, 3))
    ]
    bundle = {"resourceType": "Bundle", "type": dice.choice(["batch", "transaction"]), "entry": entries}
    text = json.dumps(bundle).encode()
    return Odd("POST", "", _broken(dice, text) if dice.random() < 0.5 else text)


def _place(dice: random.Random, body: bytes, searched: Mapping[str, Sequence[str]]) -> str:
    type_ = type_of(body)
    return dice.choice(
        [
            type_,
            f"{type_}/x",
            f"{type_}?{_criterion(dice, searched[type_])}",
            "Starship",
            "",
            "/",
            "../x",
            "Patient/$everything",
        ]
    )


def _patched(dice: random.Random, body: bytes, searched: Mapping[str, Sequence[str]]) -> Odd:
    path = dice.choice([f"/{type_of(body)}/{json.loads(body).get('id', 'x')}", f"/{type_of(body)}?identifier=urn:x|1"])
    if dice.random() < 0.5:
        return Odd("PATCH", path, _broken(dice, body), {"content-type": "application/merge-patch+json"})
    steps = [
        {
            "op": dice.choice(["add", "remove", "replace", "move", "copy", "test", "x"]),
            "path": dice.choice(
                ["", "/", "/status", "/meta", "/id", "/x/-", "/name/0", "/~2", "/extension/99999999999"]
            ),
            "from": dice.choice(["", "/status", "/meta/versionId"]),
            "value": _value(dice),
        }
        for _ in range(dice.randint(0, 4))
    ]
    return Odd("PATCH", path, json.dumps(steps).encode(), {"content-type": "application/json-patch+json"})


def _searched(dice: random.Random, body: bytes, searched: Mapping[str, Sequence[str]]) -> Odd:
    type_ = type_of(body)
    query = "&".join(_criterion(dice, searched[type_]) for _ in range(dice.randint(1, 4)))
    match dice.randint(0, 9):
        case 0:
            return Odd(
                "POST", f"/{type_}/_search", query.encode(), {"content-type": "application/x-www-form-urlencoded"}
            )
        case 1:
            return Odd(dice.choice(["DELETE", "PATCH"]), f"/{type_}?{query}", b"[]")
        case 2:
            return Odd("GET", f"/{type_}/_history?{query}")
        case _:
            return Odd(dice.choice(["GET", "GET", "HEAD"]), f"/{type_}?{query}")


def _criterion(dice: random.Random, names: Sequence[str]) -> str:
    name = dice.choice([*names, *names, *NAMES])
    if dice.random() < 0.3:
        name += f":{dice.choice(MODIFIERS)}"
    if dice.random() < 0.2:
        name += f".{dice.choice(['name', 'patient.name', 'subject:Patient.identifier', '_id', 'x', ''])}"
    return f"{quote(name, safe=':.')}={quote(dice.choice(TEXTS).encode())}"


def _headers(dice: random.Random) -> dict[str, str]:
    names = dice.sample(sorted(HEADERS), dice.choice([0, 0, 0, 1, 2]))
    return {name: dice.choice(HEADERS[name]) for name in names}


def _broken(dice: random.Random, body: bytes) -> bytes:
    """An example with one or two places changed, or its bytes cut."""
    if dice.random() < 0.1:
        return body[: dice.randrange(len(body))]
    resource = json.loads(body)
    for _ in range(dice.randint(1, 2)):
        _change(dice, resource)
    return json.dumps(resource).encode()


def _change(dice: random.Random, node: Any) -> None:
    """One value somewhere inside replaced, removed, doubled or added."""
    while True:
        inside = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not inside:
            return
        key = dice.choice(inside)
        if isinstance(node[key], dict | list) and node[key] and dice.random() < 0.7:
            node = node[key]
            continue
        break
    match dice.randint(0, 5):
        case 0 if isinstance(node, dict):
            del node[key]
        case 1 if isinstance(node, dict):
            node[dice.choice(["x", "_x", "", "id", "extension", "$ref", f"_{key}"])] = _value(dice)
        case 2 if isinstance(node, list):
            node.append(_value(dice))
        case 3:
            node[key] = [node[key]]
        case _:
            node[key] = _value(dice)


def _value(dice: random.Random) -> Any:
    return copy.deepcopy(dice.choice(VALUES))
