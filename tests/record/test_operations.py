"""What an operation is given, and Bundles made of stored bytes."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from fastapi import Request

from kernel.failures import Failure
from record.failures import OperationParameterUnknown
from record.interactions.bundle import bundle, historyset, outcome, searchset
from record.interactions.operations import needs, operation, parameters_in, takes
from record.stored import Stored
from record.validation.checking import check

AT = datetime(2026, 11, 25, 8, tzinfo=UTC)
BASE = "https://hospital.example/fhir"


def request(method: str = "POST", query: bytes = b"", content_type: str = "application/fhir+json") -> Request:
    """A request as a route gets it."""
    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": method, "query_string": query, "headers": headers, "path": "/"})


def parameters(*listed: dict[str, Any]) -> bytes:
    """A Parameters resource."""
    return orjson.dumps({"resourceType": "Parameters", "parameter": list(listed)})


def test_parameters_come_by_name() -> None:
    """Values, repeated values, parts, references and whole resources are found under their names."""
    given = parameters_in(
        request(),
        parameters(
            {"name": "start", "valueDateTime": "2026-11-25"},
            {"name": "specialty", "valueCode": "a"},
            {"name": "specialty", "valueCode": "b"},
            {"name": "patient-reference", "valueReference": {"reference": "Patient/1"}},
            {"name": "line", "part": [{"name": "count", "valueInteger": 2}]},
            {"name": "slot", "resource": {"resourceType": "Patient", "active": True}},
        ),
    )
    assert given == {
        "start": "2026-11-25",
        "specialty": ["a", "b"],
        "patient-reference": {"reference": "Patient/1"},
        "line": {"count": 2},
        "slot": {"resourceType": "Patient", "active": True},
    }


def test_what_an_operation_does_not_declare_is_refused() -> None:
    """A parameter its route does not name is refused, and those it takes are named."""
    asked = request()
    asked.scope["route"] = SimpleNamespace(openapi_extra=operation(needs("start", "date"), takes("end", "date")))
    assert parameters_in(asked, parameters({"name": "end", "valueDate": "2026-11-25"})) == {"end": "2026-11-25"}
    with pytest.raises(OperationParameterUnknown) as refused:
        parameters_in(asked, parameters({"name": "colour", "valueString": "red"}))
    assert refused.value.diagnostics == "It takes: end, start."


def test_an_address_may_carry_the_parameters() -> None:
    """A GET gives its parameters in the address; how the answer is shown is none of them; no body gives none."""
    assert parameters_in(request("GET", b"start=2026-11-25&a=1&a=2&_format=json"), b"") == {
        "start": "2026-11-25",
        "a": ["1", "2"],
    }
    assert parameters_in(request(), b"") == {}


@pytest.mark.parametrize(
    ("sent", "body", "code"),
    [
        (request(content_type="text/plain"), parameters({"name": "a", "valueCode": "b"}), "unsupported-media-type"),
        (request(), b"{", "not-json"),
        (request(), b'{"resourceType":"Patient"}', "id-mismatch"),
        (request(), parameters({"valueCode": "b"}), "resource-invalid"),
        (request(), parameters({"name": "a", "valueNonsense": "b"}), "resource-invalid"),
        (request(), parameters({"name": "a", "resource": {"resourceType": "Slot"}}), "resource-invalid"),
    ],
)
def test_what_are_no_parameters_is_refused(sent: Request, body: bytes, code: str) -> None:
    """Anything but a sound Parameters resource is one clear refusal."""
    with pytest.raises(Failure) as refused:
        parameters_in(sent, body)
    assert refused.value.code == code


def stored(version: int = 1, *, deleted: bool = False) -> Stored:
    """A stored observation whose spacing and decimal would not survive being written anew."""
    body = b"" if deleted else b'{"resourceType":"Observation","id":"a","valueQuantity":{"value" : 72.50}}'
    return Stored("Observation", "a", version, AT, deleted, "p", body)


def test_bundles_hold_the_very_bytes() -> None:
    """A resource stands in every kind of Bundle byte for byte, and the Bundle around it is JSON."""
    made = [
        bundle([stored(), {"resourceType": "Patient"}], type="collection", base=BASE),
        searchset(
            [stored()], [stored()], base=BASE, links={"self": "x"}, total=1, warnings=outcome("warning", "x", "y")
        ),
        historyset([stored(2), stored(1)], base=BASE, links={"self": "x"}),
    ]
    for one in made:
        assert stored().body in one
        assert orjson.loads(one)["resourceType"] == "Bundle"
    assert orjson.loads(made[0])["entry"][0]["fullUrl"] == f"{BASE}/Observation/a"


def test_an_empty_bundle_has_no_empty_list() -> None:
    """FHIR knows no empty arrays: a search without a match has no entry element."""
    assert orjson.loads(searchset([], base=BASE, links={"self": "x"})) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "self", "url": "x"}],
    }


def test_bundles_are_sound_fhir() -> None:
    """Every kind of Bundle passes the check that any client's Bundle has to pass."""
    sound = Stored("Patient", "a", 1, AT, False, "a", b'{"resourceType":"Patient","id":"a","active":true}')
    gone = Stored("Patient", "a", 2, AT, True, "a", b"")
    for made in (
        bundle([sound], type="collection", base=BASE),
        searchset([sound], base=BASE, links={"self": "https://x"}, total=1),
        historyset([gone, sound], base=BASE, links={"self": "https://x"}, total=2),
    ):
        assert check(made, type="Bundle")
