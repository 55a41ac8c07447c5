"""What is accepted as FHIR R4, and how a refusal speaks."""

import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.failures import Failure, Invalid, Rule
from record.failures import NotJson, ResourceInvalid
from record.validation.checking import check, faults_of
from record.validation.parsing import DEEPEST
from tests.record.official import NOT_SOUND, examples, sound_examples, type_of

SOUND: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def faults(body: bytes | dict[str, Any], type_: str = "Observation") -> list[tuple[str, str | None]]:
    """Code and place of everything that is refused."""
    try:
        check(body if isinstance(body, bytes) else orjson.dumps(body), type=type_)
    except (Invalid, Rule) as failure:
        return [(one.code, one.expression) for one in (failure, *failure.others)]
    return []


def test_the_official_examples_are_accepted() -> None:
    """HL7's examples of the kept types pass, but for those that break their own definition."""
    for name, body in sound_examples().items():
        assert faults(body, type_of(body)) == [], name
    for name, place in NOT_SOUND.items():
        assert faults(examples()[name], type_of(examples()[name]))[0][1] == place, name


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nonsense": 1}, [("resource-invalid", "Observation")]),
        ({"status": "taken"}, [("code-invalid", "Observation.status")]),
        ({"status": 5}, [("code-invalid", "Observation.status")]),
        ({"code": [{"text": "x"}]}, [("resource-invalid", "Observation.code")]),
        ({"category": {"text": "x"}}, [("resource-invalid", "Observation.category")]),
        ({"effectiveDateTime": "yesterday"}, [("resource-invalid", "Observation.effectiveDateTime")]),
        ({"effectiveDateTime": "2026-02-30"}, [("resource-invalid", "Observation.effectiveDateTime")]),
        ({"valueInteger": 1.5}, [("resource-invalid", "Observation.valueInteger")]),
        ({"valueInteger": 2**31}, [("resource-invalid", "Observation.valueInteger")]),
        ({"valueString": "a", "valueBoolean": True}, [("resource-invalid", "Observation.valueBoolean")]),
        ({"subject": {"reference": "Slot/1"}}, [("resource-invalid", "Observation.subject")]),
        ({"subject": {"reference": "#gone"}}, [("invariant-broken", "Observation.subject")]),
        ({"subject": {"reference": "Patient?identifier=a|1"}}, [("resource-invalid", "Observation.subject")]),
        ({"subject": {"reference": "123"}}, [("resource-invalid", "Observation.subject")]),
        ({"focus": [{"reference": "patient/123"}]}, [("resource-invalid", "Observation.focus[0]")]),
        ({"focus": [{"reference": "Patient/1/_history/2"}, {"reference": "https://a.example/fhir/1"}]}, []),
        ({"valueString": ""}, [("resource-invalid", "Observation.valueString")]),
        ({"valueString": "a\x00b"}, [("resource-invalid", "Observation.valueString")]),
        ({"note": []}, [("resource-invalid", "Observation.note")]),
        ({"subject": {}}, [("resource-invalid", "Observation.subject")]),
        ({"subject": None}, [("resource-invalid", "Observation.subject")]),
        ({"subject": {"id": "only"}}, [("invariant-broken", "Observation.subject")]),
        (
            {"contained": [{"resourceType": "Nothing", "id": "a"}], "subject": {"reference": "#a"}},
            [("resource-invalid", "Observation.contained[0]")],
        ),
        (
            {"contained": [{"resourceType": "Slot", "id": "a", "status": "x"}], "focus": [{"reference": "#a"}]},
            [("code-invalid", "Observation.contained[0].status")],
        ),
        (
            {"effectivePeriod": {"start": "2026-11-25", "end": "2026-11-24"}},
            [("invariant-broken", "Observation.effectivePeriod")],
        ),
        (
            {"text": {"status": "generated", "div": DIV.format("<script>x</script>")}},
            [("invariant-broken", "Observation.text")],
        ),
    ],
)
def test_what_is_not_fhir_is_refused_at_its_place(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Unknown elements, wrong codes, types, shapes, dates and references are refused, and the place is named."""
    assert faults(SOUND) == []
    assert faults({**SOUND, **change}) == expected


@pytest.mark.parametrize(
    ("element", "value", "said"),
    [
        ("effectiveDateTime", "2026-11-25T08:00:00", "+08:00"),
        ("effectiveDateTime", "25.11.2026", "2026-11-25"),
        ("issued", "2026-11-25", "2026-11-25T08:00:00+08:00"),
    ],
)
def test_a_date_that_cannot_be_read_is_told_how_dates_are_written(element: str, value: str, said: str) -> None:
    """Most wrong dates lack a zone or a day: the refusal shows a right one."""
    (fault,) = faults_of({**SOUND, element: value})
    assert said in fault.diagnostics


def test_what_stands_in_a_bundle_is_a_whole_of_its_own() -> None:
    """A `#` reference belongs to the resource it stands in, not to the Bundle around it."""
    inner = {**SOUND, "contained": [{"resourceType": "Patient", "id": "p"}], "subject": {"reference": "#p"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    assert faults(bundle, "Bundle") == []
    inner["subject"] = {"reference": "#q"}
    assert ("invariant-broken", "Bundle.entry[0].resource.subject") in faults(bundle, "Bundle")


def test_everything_that_is_missing_is_said_at_once() -> None:
    """One answer names every missing element; a primitive may be given by an extension instead."""
    assert faults({"resourceType": "Slot"}, "Slot") == [("resource-invalid", "Slot")] * 4
    said = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    assert faults({"resourceType": "Observation", "_status": said, "code": {"text": "x"}}) == []
    assert faults({"resourceType": "Observation", "_status": {"id": "a"}, "code": {"text": "x"}}) == [
        ("invariant-broken", "Observation.status")
    ]
    assert faults(
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "x"}},
        "MedicationRequest",
    ) == [("resource-invalid", "MedicationRequest")]


def test_a_required_binding_of_a_concept_is_kept() -> None:
    """A clinical status outside HL7's list is refused even inside a CodeableConcept."""
    condition: dict[str, Any] = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    assert (
        faults({**condition, "clinicalStatus": {"coding": [{"system": system, "code": "active"}]}}, "Condition") == []
    )
    assert faults({**condition, "clinicalStatus": {"coding": [{"system": system, "code": "well"}]}}, "Condition") == [
        ("code-invalid", "Condition.clinicalStatus")
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"nul",
        b'{"resourceType":"Observation","status":"final","code":{"text":"\\ud800"}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"resourceType":"Observation","valueInteger":1e999}',
        b'{"resourceType":"Observation","valueInteger":' + b"1" * 400 + b"}",
        b"\xef\xbb\xbf{}",
        '{"resourceType":"Observation"}'.encode("utf-16"),
        b'{"resourceType":"Observation","valueString":"\xed\xa0\x80"}',
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """Broken, foreign or endless JSON is one clear refusal."""
    with pytest.raises(NotJson):
        check(body, type="Observation")


def test_an_element_named_twice_is_refused() -> None:
    """Two readers could see two different resources: a repeated name is refused at any depth."""
    twice = b'{"resourceType":"Observation","status":"final","code":{"text":"a","text":"b"}}'
    with pytest.raises(ResourceInvalid, match="twice"):
        check(twice, type="Observation")
    assert faults({**SOUND, "valueString": 'he said "x": "y"'}) == []


@pytest.mark.parametrize(
    ("number", "sound"),
    [
        ("1.00065022141624642e-245", True),
        ("-0." + "1" * 62, True),
        ("1E+308", True),
        ("0." + "1" * 400, False),
        ("1e-999999", False),
        ("1e-309", False),
        ("1" * 65 + ".5", False),
    ],
)
def test_a_number_has_an_end(number: str, sound: bool) -> None:
    """A decimal is kept digit by digit up to a length no measurement reaches; texts of digits are no numbers."""
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":%s}}'
    assert faults(body % number.encode()) == ([] if sound else [("resource-invalid", None)])
    assert faults({**SOUND, "valueString": number}) == []


def test_nesting_has_an_end() -> None:
    """Extensions inside extensions are refused beyond the limit."""
    node: dict[str, Any] = {"url": "u", "valueString": "x"}
    for _ in range(DEEPEST):
        node = {"url": "u", "extension": [node]}
    assert faults({**SOUND, "extension": [node]}) == [("resource-invalid", None)]


@pytest.mark.parametrize(
    ("inner", "sound"),
    [
        ("<p>plain <b>text</b><br/></p>", True),
        ('<a href="https://hl7.org">x</a>', True),
        ('<img src="#a" alt="x"/>', True),
        ("&#160;<i>x</i>", True),
        ("   ", False),
        ('<p onclick="x()">x</p>', False),
        ('<a href="javascript:x()">x</a>', False),
        ('<a href=" java\nscript:x()">x</a>', False),
        ('<p style="background:url(http://spy)">x</p>', False),
        ("<iframe>x</iframe>", False),
        ("<p>x", False),
        ("</div><div>x", False),
        ("a &lt; b &amp;&nbsp;c", True),
        ("a < b", False),
        ("a & b", False),
        ("&nothing;", False),
        ("<!-- said once -->x", True),
        ('<!--><img src="x" onerror="y"/>-->', False),
        ("<![CDATA[x]]>", False),
        ("<?php x?>x", False),
        ("<B>x</B>", False),
        ("<!DOCTYPE x>x", False),
    ],
)
def test_the_text_formats_and_does_nothing_else(inner: str, sound: bool) -> None:
    """A narrative may format; whatever runs, fetches or stays open is refused."""
    text = {"status": "generated", "div": DIV.format(inner)}
    assert (faults({**SOUND, "text": text}) == []) is sound


def test_a_refusal_never_quotes_what_was_sent() -> None:
    """No value of a refused resource appears anywhere in the answer."""
    secret = "500101199001011237"
    for change in (
        {"status": secret},
        {"subject": {"reference": f"#{secret}"}},
        {"effectiveDateTime": secret},
        {f"{secret} x": "x"},
        {"category": secret},
        {"code": {"coding": [{"code": secret, "userSelected": secret}]}},
    ):
        with pytest.raises(Failure) as refused:
            check(orjson.dumps({**SOUND, **change}), type="Observation")
        assert secret not in orjson.dumps(refused.value.outcome()).decode()


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=0), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_are_accepted_or_refused_but_never_break(which: int, where: int, bytes_: bytes) -> None:
    """An example with random bytes written over it is sound or a clear failure below 500."""
    bodies = [body for body in sound_examples().values() if len(body) < 4000]
    body = bytearray(bodies[which % len(bodies)])
    place = where % len(body)
    body[place : place + len(bytes_)] = bytes_
    assert len(faults(bytes(body), type_of(bodies[which % len(bodies)]))) <= 20


def _changed(node: Any, chance: random.Random) -> Any:
    """A resource with one thing somewhere in it replaced, repeated or taken away."""
    if isinstance(node, dict) and node:
        name = chance.choice(list(node))
        if chance.random() < 0.6:
            return {**node, name: _changed(node[name], chance)}
        return {k: v for k, v in node.items() if k != name}
    if isinstance(node, list) and node:
        place = chance.randrange(len(node))
        return [_changed(item, chance) if i == place else item for i, item in enumerate(node)]
    return chance.choice([None, "", 0, -1, 1e300, True, [], {}, [[]], "x" * 50, {"a": 1}, ["a"], "#", {"coding": 5}])


@settings(max_examples=400, deadline=None)
@given(st.integers(min_value=0), st.randoms(use_true_random=False))
def test_mutilated_examples_never_break_the_check(which: int, chance: random.Random) -> None:
    """An example with any one value replaced by something foreign is sound or a clear failure below 500."""
    bodies = list(sound_examples().values())
    body = bodies[which % len(bodies)]
    damaged = _changed(orjson.loads(body), chance)
    assert len(faults(orjson.dumps(damaged), type_of(body))) <= 20


@pytest.mark.parametrize(
    "change",
    [
        {"category": [{"text": "x"}] * 60_000},
        {"category": [{"foo": "x"}] * 40_000},
        {"bodySite": {"coding": [{"code": "a" * 100 + " " * i + "!"} for i in range(1000)]}},
        {f"x{i}": 1 for i in range(100_000)},
        {"text": {"status": "generated", "div": DIV.format("<b>" * 100_000)}},
        {"text": {"status": "generated", "div": DIV.format("<" * 1_000_000)}},
        {"text": {"status": "generated", "div": DIV.format("<a " + "x='y' " * 100_000 + ">")}},
        {"note": [{"text": "x"}] * 300_000},
        {"category": [1] * 1_000_000},
        {"valueString": " " * 1_000_000},
        {"contained": [{"resourceType": "Patient", "id": f"a{i}"} for i in range(20_000)]},
    ],
)
def test_a_hostile_body_gets_one_short_refusal(change: dict[str, Any]) -> None:
    """However much is wrong, the answer names twenty faults at most."""
    found = faults({**SOUND, **change})
    assert 1 <= len(found) <= 20
