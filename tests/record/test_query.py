"""Search requests, read strictly."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.failures import Invalid
from record.failures import ModifierUnknown, ParameterUnknown, SearchTooLarge, ValueUnreadable
from record.search.criterion import (
    Amount,
    AnyKey,
    Beside,
    Chain,
    Coded,
    Criterion,
    Dates,
    Has,
    IdIn,
    Match,
    Missing,
    Moment,
    Text,
)
from record.search.query import LARGEST_COUNT, Include, SortKey, parse

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def one(type_: str, name: str, value: str) -> Criterion:
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
        ("patient.nonsense", "x", ParameterUnknown),
        ("status.code", "x", ParameterUnknown),
        ("patient:Nonsense.name", "x", ParameterUnknown),
        ("patient:Practitioner.name", "x", ParameterUnknown),
        ("supporting-info.code", "x", ParameterUnknown),
        ("patient.name:of-type", "x", ModifierUnknown),
        ("patient" + ".link" * 8 + "._id", "x", SearchTooLarge),
        ("_has:Observation:patient:code", "x", ParameterUnknown),
        ("_has:Nonsense:patient:code", "x", ParameterUnknown),
        ("_has:Encounter:appointment", "x", ParameterUnknown),
        ("_has:Encounter:status:class", "x", ParameterUnknown),
        ("_has:AuditEvent:entity:type", "x", ParameterUnknown),
        ("service-type:in", "urn:x", ModifierUnknown),
        ("service-type:not-in", "urn:x", ModifierUnknown),
        ("service-type:above", "x", ModifierUnknown),
        ("service-type:below", "x", ModifierUnknown),
        ("identifier:of-type", "a|b", ValueUnreadable),
        ("_profile:below", "urn:x", ModifierUnknown),
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
        ("_sort", "nonsense", ValueUnreadable),
        ("_sort", "--date", ValueUnreadable),
        ("_sort", "date,", ValueUnreadable),
        ("_sort", "date,status,patient,actor,slot,location", SearchTooLarge),
        ("_total", "some", ValueUnreadable),
        ("_include", "**", ParameterUnknown),
        ("_include:always", "*", ModifierUnknown),
        ("_include", "Slot:schedule", ValueUnreadable),
        ("_include", "Appointment:status", ParameterUnknown),
        ("_revinclude", "Encounter:appointment:Patient", ParameterUnknown),
        ("_revinclude", "Appointment:slot:Slot", ValueUnreadable),
        ("_revinclude", "AuditEvent:patient", ParameterUnknown),
        ("_summary", "most", ParameterUnknown),
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
    assert isinstance(one("Observation", "value-quantity:missing", "true"), Missing)
    assert one("Appointment", "_id", "a,b") == IdIn(("a", "b"))
    match one("Patient", "name:exact", "张伟"):
        case Beside(values=((None, Text(Match.EXACT, "张伟")),)):
            pass
        case other:
            pytest.fail(str(other))
    match one("Medication", "code:text", "阿莫"):
        case Beside(values=((None, Text(Match.CONTAINS, "阿莫")),)):
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
        case Beside(values=((None, Text(text=first)), (None, Text(text=second)))):
            assert (first, second) == ("a,b", r"c\d")
        case other:
            pytest.fail(str(other))


@pytest.mark.parametrize(
    ("value", "prefix", "since", "until", "unit"),
    [
        ("100", "eq", "99.5", "100.5", (None, None)),
        ("gt100.00", "gt", "99.995", "100.005", (None, None)),
        ("ap-20", "ap", "-22", "-18", (None, None)),
        ("1e2", "eq", "50", "150", (None, None)),
        ("5.40e-3|http://unitsofmeasure.org|g", "eq", "0.005395", "0.005405", ("http://unitsofmeasure.org", "g")),
        (r"le7||a\|b", "le", "6.5", "7.5", (None, "a|b")),
        (" 5", "eq", "4.5", "5.5", (None, None)),
    ],
)
def test_a_quantity_means_what_its_digits_say(
    value: str, prefix: str, since: str, until: str, unit: tuple[str | None, str | None]
) -> None:
    """A number may mean half of its last digit more or less; the unit is a code of a system, or any word for it."""
    match one("Observation", "value-quantity", value):
        case Beside(values=((None, Amount() as amount),)):
            assert (amount.prefix, amount.inside) == (prefix, (Decimal(since), Decimal(until)))
            assert (amount.system, amount.code) == unit
        case other:
            pytest.fail(str(other))


@pytest.mark.parametrize("value", ["", "x", "5|", "5|a", "5||", "5|a|b|c", "1" * 61, "1e1000", "٣", "gt", "NaN", "1 2"])
def test_what_is_no_quantity_is_refused(value: str) -> None:
    """Whatever is not a number with a unit at most is refused in words that say how to write one."""
    with pytest.raises(ValueUnreadable):
        one("Observation", "value-quantity", value)


def test_a_composite_is_a_code_and_a_value_together() -> None:
    """Where both parts are exact, one key holds them; else the value is looked for beside its code."""
    match one("Observation", "component-code-value-quantity", "http://loinc.org|8480-6$gt100||mm[Hg],x$5"):
        case Beside(values=((Coded("8480-6", "http://loinc.org"), Amount("gt")), (Coded("x", None), Amount("eq")))):
            pass
        case other:
            pytest.fail(str(other))
    match one("Observation", "code-value-concept", r"a\$b$s|c"):
        case AnyKey(forms=("a$b$s|c",)):
            pass
        case other:
            pytest.fail(str(other))
    match one("Observation", "code-value-date", "a$ge2026"):
        case Beside(values=((Coded("a", None), Moment("ge")),)):
            pass
        case other:
            pytest.fail(str(other))
    for wrong in ("a", "a$", "$b", "a$b$c", "s|$b", "|a$b"):
        with pytest.raises(ValueUnreadable):
            one("Observation", "code-value-concept", wrong)


def test_chains_follow_references_level_by_level() -> None:
    """A chain asks the resource a reference points at, of one type or of each that knows the parameter; and back."""
    match one("Observation", "subject:Patient.organization.name:exact", "x"):
        case Chain(targets=(("Patient", Chain(targets=(("Organization", Beside()),))),)):
            pass
        case other:
            pytest.fail(str(other))
    match one("Observation", "subject.birthdate", "2000"):
        case Chain(targets=(("Patient", Dates()),)):
            pass
        case other:
            pytest.fail(str(other))
    match one("Patient", "_has:Observation:patient:_has:Provenance:target:agent", "Practitioner/1"):
        case Has(criterion=Has(criterion=AnyKey(), type="Observation"), type="Patient"):
            pass
        case other:
            pytest.fail(str(other))
    match one("Observation", "subject:Patient._has:Encounter:patient:status", "finished"):
        case Chain(targets=(("Patient", Has()),)):
            pass
        case other:
            pytest.fail(str(other))


def test_an_endless_search_is_refused() -> None:
    """A chain that multiplies over every type a reference may point at ends in a refusal."""
    with pytest.raises(SearchTooLarge):
        parse("Observation", [("subject.organization.name", "x")] * 40, now=NOW)


def test_controls_are_read() -> None:
    """Order, total and what comes along."""
    asked = [("_sort", "-date,status,_id"), ("_count", "0")]
    asked += [
        ("_include", "*"),
        ("_revinclude:iterate", "Provenance:target"),
        ("_include", "Observation:subject:Patient"),
    ]
    query = parse("Observation", asked, now=NOW)
    assert [(key.code, key.descending) for key in query.sort] == [("date", True), ("status", False), ("_id", False)]
    assert query.sort[2] == SortKey("_id")
    assert (query.count, query.total) == (0, True)
    assert query.includes == (Include("Observation", "*"), Include("Observation", "subject", "Patient"))
    assert query.revincludes == (Include("Provenance", "target", None, iterate=True),)


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
        ("Observation", "value-quantity"),
        ("Observation", "combo-code-value-quantity"),
        ("Observation", "code-value-concept"),
        ("Observation", "subject.name"),
        ("RiskAssessment", "probability"),
        ("Patient", "_has:Observation:patient:code"),
        ("Slot", "_include"),
        ("Slot", "_sort"),
    ):
        try:
            assert parse(type_, [(name, value)], now=NOW)
        except Invalid as refused:
            assert refused.status == 400  # noqa: PT017 - both ends are allowed
