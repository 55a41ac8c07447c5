"""Keys, words and byte splicing."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.database import Transaction
from record.index import keys, words
from record.index.parameters import SEARCHES, parameters
from record.splice import stamped
from tests.record.official import examples

SQL_KEY = "select ('x' || left(md5($1), 16))::bit(64)::bigint"


async def test_python_and_sql_agree_on_every_key(tx: Transaction) -> None:
    """The database computes the very key that Python computes, for any text."""
    for text in ("", "Patient.name=张伟", "Slot.status=free", "x" * 5000, "🩺|\\"):
        assert await tx.raw.fetchval(SQL_KEY, text) == keys.key(text)


def test_no_two_parameters_of_a_type_share_a_number() -> None:
    """The numbers made from names are unique within each type."""
    for type_ in SEARCHES:
        numbers = [parameter.number for parameter in parameters(type_).values()]
        assert len(set(numbers)) == len(numbers)


def test_no_two_walks_of_a_type_share_a_place() -> None:
    """The numbers made from walks are unique within each type, those inside a composite's group too."""
    for type_ in SEARCHES:
        of_type = parameters(type_).values()
        walks = {path for p in of_type for path in (*p.paths, *(one for part in p.components for one in part.paths))}
        spelt = {(path.spelling, path.type): path.place for path in walks}
        assert len(set(spelt.values())) == len(spelt)


@pytest.mark.parametrize(
    ("value", "type_", "forms"),
    [
        ({"coding": [{"system": "s", "code": "c"}]}, "CodeableConcept", {"c", "s|c", "s|"}),
        ({"coding": [{"code": "c"}]}, "CodeableConcept", {"c", "|c"}),
        ({"system": "s", "value": "v"}, "Identifier", {"v", "s|v", "s|"}),
        ({"value": "v", "type": {"coding": [{"code": "t"}]}}, "Identifier", {"v", "|v", ":of-type=|t|v"}),
        ({"system": "phone", "value": "139"}, "ContactPoint", {"139"}),
        (True, "boolean", {"true", "|true"}),
        ("free", "code", {"free", "|free"}),
        ({"text": "only words"}, "CodeableConcept", set()),
    ],
)
def test_a_token_is_found_by_each_spelling(value: object, type_: str, forms: set[str]) -> None:
    """A coded value is found by its code, with its system, and by its system alone."""
    assert set(keys.token_forms(value, type_)) == forms


def test_a_reference_is_found_without_its_version() -> None:
    """A versioned reference is the same resource; a contained one is found nowhere else."""
    assert keys.reference_form({"reference": "Patient/1/_history/2"}) == "Patient/1"
    assert keys.reference_form({"reference": "https://elsewhere/fhir/Patient/1"}) == "https://elsewhere/fhir/Patient/1"
    assert keys.reference_form({"reference": "#1"}) is None
    assert keys.reference_type({"reference": "https://elsewhere/fhir/Patient/1"}) == "Patient"
    assert keys.reference_forms({"identifier": {"system": "s", "value": "v"}}) == [
        ":identifier=s|",
        ":identifier=v",
        ":identifier=s|v",
    ]


@given(st.text(max_size=60))
def test_plain_text_is_plain_already(text: str) -> None:
    """Making a text comparable twice changes nothing more."""
    assert words.plain(words.plain(text)) == words.plain(text)


def test_case_accents_width_and_spaces_do_not_count() -> None:
    """Names that differ only in writing compare equal."""
    assert words.plain("  José   ＡＢＣ ") == words.plain("jose abc")
    assert words.plain("张伟") == "张伟"


def test_stamping_leaves_every_other_byte_of_a_value() -> None:
    """Id, version and time are put in; every other element keeps its exact bytes, decimals and spacing too."""
    body = b'{"resourceType":"Observation","meta":{"tag":[{"code":"a"}]},"x":  {"v" : 72.50, "w": 1e2},"id":"old"}'
    made = stamped(body, id="new", version=3, at=datetime(2026, 11, 25, 1, 2, 3, 4000, tzinfo=UTC))
    assert made == (
        b'{"resourceType":"Observation","id":"new","meta":{"tag":[{"code":"a"}],"versionId":"3",'
        b'"lastUpdated":"2026-11-25T01:02:03.004Z"},"x":{"v" : 72.50, "w": 1e2}}'
    )


def test_stamped_examples_differ_in_id_and_meta_alone() -> None:
    """Every official example comes out as it went in, but for its id and its version."""
    for body in examples().values():
        before = orjson.loads(body)
        after = orjson.loads(stamped(body, id="x", version=1, at=datetime(2026, 1, 1, tzinfo=UTC)))
        assert {k: v for k, v in before.items() if k not in {"id", "meta"}} == {
            k: v for k, v in after.items() if k not in {"id", "meta"}
        }
