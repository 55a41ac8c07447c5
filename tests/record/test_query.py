"""Search requests, read strictly."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.failures import Invalid
from record.failures import ModifierUnknown, ParameterUnknown, SearchTooLarge, ValueUnreadable
from record.query import LARGEST_COUNT, AnyKey, Dates, IdIn, Match, Missing, Words, parse

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def one(type_: str, name: str, value: str) -> object:
    """The one condition a parameter gives."""
    (condition,) = parse(type_, [(name, value)], now=NOW).conditions
    return condition


@pytest.mark.parametrize(
    ("name", "value", "failure"),
    [
        ("nonsense", "1", ParameterUnknown),
        ("status:text", "x", ModifierUnknown),
        ("status:exact", "x", ModifierUnknown),
        ("date:not", "2026", ModifierUnknown),
        ("patient:Nonsense", "1", ModifierUnknown),
        ("patient.name", "x", ParameterUnknown),
        ("_has:Observation:patient:code", "x", ParameterUnknown),
        ("_id:not", "x", ModifierUnknown),
        ("_count:x", "1", ModifierUnknown),
        ("status", "", ValueUnreadable),
        ("status", "a,,b", ValueUnreadable),
        ("status", "a\0b", ValueUnreadable),
        ("date", "tomorrow", ValueUnreadable),
        ("date", "ge2026-02-30", ValueUnreadable),
        ("patient:missing", "maybe", ValueUnreadable),
        ("_count", "many", ValueUnreadable),
        ("_count", "-1", ValueUnreadable),
        ("_sort", "status", ValueUnreadable),
        ("_total", "some", ValueUnreadable),
        ("_include", "*", ParameterUnknown),
        ("_include", "Slot:schedule", ValueUnreadable),
        ("_include", "Appointment:status", ParameterUnknown),
        ("_revinclude", "Encounter:appointment:Patient", ValueUnreadable),
        ("_revinclude", "AuditEvent:patient", ParameterUnknown),
        ("_summary", "count", ParameterUnknown),
        ("status", ",".join("a" * 201), SearchTooLarge),
    ],
)
def test_what_is_not_offered_is_refused(name: str, value: str, failure: type[Invalid]) -> None:
    """Unknown parameters, modifiers and unreadable values each get their own clear refusal."""
    with pytest.raises(failure) as refused:
        parse("Appointment", [(name, value)], now=NOW)
    assert value not in str(refused.value) or len(value) < 3


def test_lenient_handling_leaves_out_and_says_so() -> None:
    """A client that asks for leniency gets the rest of its search, and the names of what was left out."""
    query = parse("Slot", [("nonsense", "1"), ("status", "free"), ("status:odd", "x")], now=NOW, lenient=True)
    assert query.ignored == ("nonsense", "status:odd")
    assert len(query.conditions) == 1
    with pytest.raises(ValueUnreadable):
        parse("Slot", [("start", "never")], now=NOW, lenient=True)


def test_each_kind_of_parameter_is_understood() -> None:
    """Tokens, references, texts, dates, ids and presence become conditions of their own kind."""
    match one("Appointment", "status:not", "booked,cancelled"):
        case AnyKey(forms=("booked", "cancelled"), negated=True):
            pass
        case other:
            pytest.fail(str(other))
    assert isinstance(one("Appointment", "patient:missing", "true"), Missing)
    assert one("Appointment", "_id", "a,b") == IdIn(("a", "b"))
    match one("Patient", "name:exact", "张伟"):
        case Words(match=Match.EXACT, values=("张伟",)):
            pass
        case other:
            pytest.fail(str(other))
    match one("Medication", "code:text", "阿莫"):
        case Words(match=Match.CONTAINS, values=("阿莫",)):
            pass
        case other:
            pytest.fail(str(other))
    match one("Slot", "start", "ge2026-11-25T08:00:00 08:00"):
        case Dates(values=(("ge", range_),)):
            assert range_.lo == datetime(2026, 11, 25, 0, tzinfo=UTC)
        case other:
            pytest.fail(str(other))


def test_a_bare_id_stands_for_each_type_it_may_be() -> None:
    """A reference by id alone is looked for under every type the parameter points at; a named type narrows it."""
    match one("Encounter", "participant", "1"):
        case AnyKey(forms=forms):
            assert set(forms) == {"Practitioner/1", "PractitionerRole/1", "RelatedPerson/1"}
        case other:
            pytest.fail(str(other))
    match one("Encounter", "subject:Patient", "1"):
        case AnyKey(forms=("Patient/1",)):
            pass
        case other:
            pytest.fail(str(other))
    with pytest.raises(ValueUnreadable):
        one("Provenance", "target", "1")


def test_a_bare_code_may_be_asked_with_the_system_it_implies() -> None:
    """A status named with HL7's own system is the same status; with another system it is none."""
    match one("Slot", "status", "http://hl7.org/fhir/slotstatus|free,other|free"):
        case AnyKey(forms=("free", "other|free")):
            pass
        case other:
            pytest.fail(str(other))


def test_nothing_comes_along_with_the_audit() -> None:
    """Audit rows are no resources of the record: neither include is offered there."""
    for name, value in (("_include", "AuditEvent:patient"), ("_revinclude", "Appointment:patient")):
        with pytest.raises(ParameterUnknown):
            parse("AuditEvent", [(name, value)], now=NOW)


def test_a_backslash_keeps_a_comma() -> None:
    """An escaped comma, bar, dollar or backslash belongs to the value."""
    match one("Patient", "name", r"a\,b,c\\d"):
        case Words(values=(first, second)):
            assert (first, second) == ("a,b", r"c\d")
        case other:
            pytest.fail(str(other))


def test_a_page_is_never_larger_than_the_largest() -> None:
    """A larger _count is brought down; _count=0 asks for the number alone."""
    assert parse("Slot", [("_count", "100000")], now=NOW).count == LARGEST_COUNT
    assert parse("Slot", [("_count", "0")], now=NOW).total


@given(
    st.sampled_from(["Slot", "Appointment", "Patient", "Observation", "Medication"]),
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=30)), max_size=4),
)
def test_any_request_is_understood_or_refused(type_: str, asked: list[tuple[str, str]]) -> None:
    """Whatever a client sends as parameters is a search or a refusal with status 400."""
    try:
        assert parse(type_, asked, now=NOW).type == type_
    except Invalid as refused:
        assert refused.status == 400  # noqa: PT017 - both ends are allowed


@given(st.text(max_size=40))
def test_any_value_of_a_known_parameter_is_understood_or_refused(value: str) -> None:
    """Whatever stands behind a known parameter is a condition or a refusal."""
    for type_, name in (
        ("Slot", "start"),
        ("Slot", "schedule"),
        ("Slot", "status"),
        ("Patient", "name"),
        ("Slot", "_include"),
    ):
        try:
            assert parse(type_, [(name, value)], now=NOW)
        except Invalid as refused:
            assert refused.status == 400  # noqa: PT017 - both ends are allowed
