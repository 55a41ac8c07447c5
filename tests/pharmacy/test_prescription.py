"""Each rule a prescription is held against, named by its id."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.failures import Failure
from services.pharmacy.policy import PACK, Stage, decided_at
from services.pharmacy.prescription import CHECKS, Case, expiry, judge
from tests.pharmacy.orders import MIDNIGHT, NOON, after, case, line


def codes(of: Case) -> list[str]:
    """The failure codes a case is refused with; empty when it is not."""
    try:
        judge(of, PACK)
    except Failure as refused:
        return [one.code for one in (refused, *refused.others)]
    return []


def test_a_sound_prescription_passes_every_rule() -> None:
    """Every rule of the pack's stage is asked, and its id is what the decision stores."""
    passed = judge(case(), PACK)
    assert set(passed) == {"TELE-01", "TELE-04", "TELE-08", "O2O-02", "RX-01", "RX-02", "RX-03", "RX-04"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"conditions": ()}, "rx-04-no-diagnosis"),
        ({"conditions": ("Condition/of-another-visit",)}, "rx-04-no-diagnosis"),
        ({"conditions": ("Condition/hypertension", "Condition/foreign")}, "rx-04-no-diagnosis"),
        ({"medication": ""}, "rx-04-no-medicine"),
        ({"dose": None}, "rx-04-no-dose"),
        ({"dose": Decimal(0)}, "rx-04-no-dose"),
        ({"dose_unit": ""}, "rx-04-no-dose"),
        ({"route": ""}, "rx-04-no-route"),
        ({"has_frequency": False}, "rx-04-no-frequency"),
        ({"directions": ()}, "rx-04-directions-vague"),
        ({"directions": ("  ",)}, "rx-04-directions-vague"),
        ({"directions": ("遵医嘱",)}, "rx-04-directions-vague"),
        ({"directions": ("口服, 遵 医 嘱 服用",)}, "rx-04-directions-vague"),
        ({"directions": ("每日一次", "As Directed")}, "rx-04-directions-vague"),
        ({"quantity": None}, "rx-04-no-quantity"),
        ({"quantity": Decimal(-1)}, "rx-04-no-quantity"),
        ({"quantity": Decimal("1e400")}, "rx-04-no-quantity"),
        ({"quantity": Decimal("1e-400")}, "rx-04-no-quantity"),
        ({"days": Decimal("1e400")}, "rx-03-supply-unstated"),
        ({"unit": ""}, "rx-04-no-quantity"),
        ({"days": None}, "rx-03-supply-unstated"),
        ({"days": Decimal(0)}, "rx-03-supply-unstated"),
        ({"days": Decimal(8)}, "rx-03-supply-too-long"),
        ({"days": Decimal("7.5")}, "rx-03-supply-too-long"),
        ({"days": Decimal(85), "is_long_term": True, "reason": "stable"}, "rx-03-supply-too-long"),
        ({"valid_until": after(4)}, "rx-01-validity-too-long"),
        ({"valid_until": after(-1)}, "rx-01-validity-too-long"),
        ({"legal_class": ""}, "tele-04-controlled-medicine"),
    ],
)
def test_a_faulty_line_is_refused_by_its_rule(changes: dict[str, object], code: str) -> None:
    """Each fault of a line is refused under the rule that forbids it, and under no other."""
    assert codes(case(line(**changes))) == [code]


@pytest.mark.parametrize(
    "legal_class", ["narcotic", "psychotropic-1", "psychotropic-2", "toxic", "radioactive", "precursor"]
)
def test_controlled_medicines_are_never_ordered_online(legal_class: str) -> None:
    """TELE-04 and O2O-02 refuse every specially controlled class."""
    assert codes(case(line(legal_class=legal_class))) == ["tele-04-controlled-medicine", "o2o-02-never-online"]


@pytest.mark.parametrize("legal_class", ["vaccine", "blood-product"])
def test_vaccines_and_blood_products_are_never_supplied_online(legal_class: str) -> None:
    """O2O-02 refuses what the law keeps from online supply though it is not controlled."""
    assert codes(case(line(legal_class=legal_class))) == ["o2o-02-never-online"]


@pytest.mark.parametrize(
    "changes",
    [
        {"days": Decimal(30), "is_long_term": True},
        {"days": Decimal(14), "reason": "患者行动不便"},
        {"days": Decimal(84), "is_long_term": True},
        {"valid_until": after(1)},
        {"legal_class": "otc-a"},
    ],
)
def test_what_the_rules_allow_passes(changes: dict[str, object]) -> None:
    """A long-term disease or a written reason allows more days; an extension within 3 days is allowed."""
    assert codes(case(line(**changes))) == []


def test_first_visits_are_refused() -> None:
    """Without the doctor's confirmed follow-up nothing is prescribed (TELE-01)."""
    assert codes(case(is_follow_up=False)) == ["tele-01-follow-up-unconfirmed"]


@pytest.mark.parametrize(
    ("status", "is_correction", "refused"),
    [
        ("in-progress", False, False),
        ("arrived", False, True),
        ("finished", False, True),
        ("finished", True, False),
        ("cancelled", True, True),
    ],
)
def test_the_session_must_be_live(status: str, is_correction: bool, refused: bool) -> None:
    """A prescription is written while the visit lasts; only a returned one is corrected after it (TELE-08)."""
    found = codes(case(status=status, is_correction=is_correction))
    assert found == (["tele-08-session-not-live"] if refused else [])


@given(st.integers(1, 9))
def test_five_medicines_at_most(count: int) -> None:
    """A prescription of up to five medicines passes, a longer one is refused (RX-02)."""
    lines = [line(id=f"line-{n}") for n in range(count)]
    assert codes(case(*lines)) == (["rx-02-too-many-medicines"] if count > 5 else [])


def test_all_faults_are_told_at_once_with_place_and_pack() -> None:
    """The doctor sees every fault in one answer, each with its place and the pack's version."""
    with pytest.raises(Failure) as refused:
        judge(case(line(route=""), line(id="line-2", dose=None), is_follow_up=False), PACK)
    issues = refused.value.outcome()["issue"]
    assert [issue["details"]["coding"][0]["code"] for issue in issues] == [
        "tele-01-follow-up-unconfirmed",
        "rx-04-no-route",
        "rx-04-no-dose",
    ]
    assert issues[1]["expression"] == ["MedicationRequest.where(id='line-1').dosageInstruction.route"]
    assert all(PACK.version in issue["diagnostics"] for issue in issues)
    assert "RX-04" in issues[2]["details"]["text"]
    assert "处方管理办法" in issues[2]["details"]["text"]


def test_it_ends_with_its_day_at_the_hospital() -> None:
    """Without an extension a prescription ends at the hospital's midnight, not at the server's."""
    assert expiry([line()], NOON, PACK) == MIDNIGHT
    late = datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC)
    assert expiry([line()], late, PACK) == MIDNIGHT
    assert expiry([line()], MIDNIGHT, PACK) == datetime(2026, 3, 3, 16, 0, tzinfo=UTC)


def test_an_extension_moves_the_end() -> None:
    """The doctor's stated end counts; of several the earliest."""
    assert expiry([line(valid_until=after(2)), line(valid_until=after(1)), line()], NOON, PACK) == after(1)


def test_every_rule_can_be_checked() -> None:
    """The pack names no rule of prescribing that the code cannot decide, each has a source, and all of them block."""
    assert {rule.id for rule in decided_at(Stage.PRESCRIBE)} == set(CHECKS)
    assert all(rule.source and rule.severity == "block" for rule in PACK.rules.values())
    assert {rule["stage"] for rule in PACK.rules.values()} == set(Stage)
