"""Links of a transaction's resources, replaced byte by byte: against HL7's official examples."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record.bundles.links import relinked
from record.failures import ResourceInvalid
from tests.record.official import examples


def _numbers(body: bytes) -> list[str]:
    """Every number of a body, as it is spelt."""
    spelt: list[str] = []
    json.loads(body, parse_float=lambda text: spelt.append(text), parse_int=lambda text: spelt.append(text))
    return spelt


def _parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def _references(node: Any) -> Iterator[str]:
    """Every Reference's text, but those that stay in the resource."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        if "resourceType" not in node and _is_link(node.get("reference")):
            yield node["reference"]
        for value in node.values():
            yield from _references(value)


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith("#")


def _swapped(node: Any, swap: Callable[[str], str]) -> Any:
    if isinstance(node, list):
        return [_swapped(item, swap) for item in node]
    if isinstance(node, dict):
        own = "resourceType" not in node
        return {
            name: swap(value) if name == "reference" and own and _is_link(value) else _swapped(value, swap)
            for name, value in node.items()
        }
    return node


def test_what_links_nowhere_stays_the_same_bytes() -> None:
    """Where nothing is replaced, not a single byte of an official example is written anew."""
    for name, body in examples().items():
        assert relinked(body, reference=str, link=str) is body, name


def test_every_reference_is_found_and_nothing_else_changes() -> None:
    """In every official example each Reference is replaced, and all numbers are spelt as they were."""
    for name, body in examples().items():
        met: list[str] = []

        def swap(text: str, met: list[str] = met) -> str:
            if text.startswith("#"):
                return text
            met.append(text)
            return f"Changed/{len(text)}"

        changed = relinked(body, reference=swap, link=str)
        before = _parsed(body)
        assert sorted(met) == sorted(_references(before)), name
        assert _parsed(changed) == _swapped(before, lambda text: f"Changed/{len(text)}"), name
        assert _numbers(changed) == _numbers(body), name


def test_links_are_found_by_the_type_of_their_element() -> None:
    """A uri, a url and a narrative's addresses are links; a string, a code, a canonical and a text are none."""
    urn = "urn:uuid:1"
    body = {
        "resourceType": "Questionnaire",
        "url": urn,
        "derivedFrom": [urn],
        "title": urn,
        "_title": {"extension": [{"url": urn, "valueUri": urn, "_valueUri": {"id": urn}}]},
        "identifier": [{"system": urn, "value": urn}],
        "contained": [
            {
                "resourceType": "Patient",
                "photo": [{"url": urn, "title": urn}],
                "text": {"div": f"<a href='{urn}'>{urn}"},
            }
        ],
        "unknown": urn,
    }
    there = "Basic/2"
    changed = json.loads(relinked(json.dumps(body).encode(), reference=str, link=lambda t: there if t == urn else t))
    assert changed == {
        **body,
        "url": there,
        "_title": {"extension": [{"url": there, "valueUri": there, "_valueUri": {"id": urn}}]},
        "identifier": [{"system": there, "value": urn}],
        "contained": [
            {
                "resourceType": "Patient",
                "photo": [{"url": there, "title": urn}],
                "text": {"div": f"<a href='{there}'>{urn}"},
            }
        ],
    }


def test_escaped_links_are_links() -> None:
    """However its writer escaped a text, it is the text it says."""
    body = (
        rb'{"resourceType":"Basic","subject":{"reference":"urn:\u0075uid:1"},"author":{"reference":"http:\/\/x\/A\/1"}}'
    )
    met: list[str] = []

    def look(text: str) -> str:
        met.append(text)
        return text

    relinked(body, reference=look, link=str)
    assert met == ["urn:uuid:1", "http://x/A/1"]


@given(st.binary(max_size=200))
def test_what_is_no_resource_comes_back_as_it_is(body: bytes) -> None:
    """Bytes that cannot be read are left to whoever says what is wrong with them."""
    assert relinked(body, reference=lambda _: "x", link=lambda _: "x") == body


def test_depth_is_bounded() -> None:
    """A resource nested a hundred thousand deep is left alone at once."""
    body = (
        b'{"resourceType":"Basic","extension":'
        + b'[{"url":"urn:x","extension":' * 50_000
        + b"1"
        + b"}]" * 50_000
        + b"}"
    )
    assert relinked(body, reference=str, link=lambda _: "x") == body


def _pointed_elsewhere(text: str) -> str:
    return "Patient/b" if text == "urn:x" else text


@pytest.mark.parametrize(
    "twice",
    [
        b'{"resourceType":"Basic","subject":{"reference":"Patient/a"},"subject":{"reference":"urn:x"}}',
        b'{"resourceType":"Basic","subject":{"reference":"Patient/a","\\u0072eference":"urn:x"}}',
        b'{"resourceType":"Basic","status":1,"subject":{"reference":"urn:x"},"st\\u0061tus":2}',
    ],
)
def test_a_name_that_stands_twice_is_not_lost_with_a_link(twice: bytes) -> None:
    """Of two elements of one name none is dropped in silence, however they are spelt."""
    with pytest.raises(ResourceInvalid):
        relinked(twice, reference=_pointed_elsewhere, link=str)


def test_a_link_that_looks_like_a_name_is_replaced() -> None:
    """A quotation mark and a colon inside a link are no name."""
    body = rb'{"resourceType":"Basic","subject":{"reference":"Patient?name=\":x"}}'
    after = relinked(body, reference=lambda _: "Patient/b", link=str)
    assert after == b'{"resourceType":"Basic","subject":{"reference":"Patient/b"}}'
