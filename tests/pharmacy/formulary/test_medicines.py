import csv
import re
from decimal import Decimal
from importlib.resources import files

import msgspec
import pytest
from fhir.resources.R4B.medication import Medication

from services.pharmacy.formulary.fhir import FORMULARY, UCUM, medication_resource
from services.pharmacy.formulary.medicines import (
    LegalClass,
    Quantity,
    find,
    load,
    quantity,
    unfit_for_online,
)

EXACT = msgspec.json.Encoder(decimal_format="number")


def test_every_line_of_the_file_is_a_medicine() -> None:
    """All 278 lines parse, each under its own id, in the order of the file."""
    text = files("services.pharmacy.formulary").joinpath("formulary.csv").read_text(encoding="utf-8")
    ids = [row["id"] for row in csv.DictReader(text.splitlines())]
    assert len(ids) == 278
    assert list(load()) == ids


def test_doses_stay_exact() -> None:
    """A strength of 2.5 or 47.5 is that decimal, not the float nearest to it."""
    assert load()["metoprolol-succ-ertab-47.5mg"].strengths == (Quantity(Decimal("47.5"), "mg"),)
    assert load()["alendronate-tab-70mg"].max_adult_daily_dose == Quantity(Decimal(70), "mg/wk")


def test_single_doses_use_the_unit_the_medicine_is_ordered_in() -> None:
    """Every single dose of every medicine is stated in its dose unit, so that orders and ceilings compare."""
    for medicine in load().values():
        for dose in (medicine.usual_adult_single_dose, medicine.max_adult_single_dose):
            assert dose is None or dose.unit == medicine.dose_unit, medicine.id


def test_an_empty_cell_is_not_known() -> None:
    """A medicine without a ceiling in the file has None, never zero or infinity."""
    assert any(medicine.max_adult_single_dose is None for medicine in load().values())
    assert all(m.max_adult_single_dose is None or m.max_adult_single_dose.value > 0 for m in load().values())


@pytest.mark.parametrize("text", ["5", "mg", "five mg", "5 mg d"])
def test_an_amount_without_number_or_unit_is_refused(text: str) -> None:
    """A cell that is not a number with a unit fails loudly instead of becoming some dose."""
    with pytest.raises(ValueError, match="UCUM unit"):
        quantity(text)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("氨氯地平", "amlodipine-tab-5mg"),
        ("苯磺酸", "amlodipine-tab-5mg"),
        ("AMLODIPINE tab", "amlodipine-tab-5mg"),
        ("ａｍｌｏｄｉｐｉｎｅ", "amlodipine-tab-5mg"),
        ("地尔硫卓", "diltiazem-tab-30mg"),
        ("阿仑磷酸", "alendronate-tab-70mg"),
    ],
)
def test_a_medicine_is_found_by_either_name(text: str, first: str) -> None:
    """Chinese or English, any width or case, and with the usual wrong character: the medicine comes first."""
    assert find(text)[0].id == first


def test_a_search_keeps_its_limit_and_refuses_nothing() -> None:
    """A search gives at most the limit; an empty or unknown text gives none."""
    assert len(find("片", limit=7)) == 7
    assert find("  ") == []
    assert find("不存在的药") == []


def test_what_may_not_go_online_says_why() -> None:
    """Specially controlled medicines and those on the ban list name their reason; an ordinary one has none."""
    assert unfit_for_online(load()["amlodipine-tab-5mg"]) is None
    controlled = [m for m in load().values() if m.legal_class is LegalClass.PSYCHOTROPIC_2]
    assert {unfit_for_online(m) for m in controlled} == {"psychotropic-2"}
    banned = [m for m in load().values() if m.online_retail_ban == "list-2022-2.4" and m.legal_class is LegalClass.RX]
    assert banned
    assert {unfit_for_online(m) for m in banned} == {"list-2022-2.4"}


@pytest.mark.parametrize("medicine_id", list(load()))
def test_each_medicine_is_a_legal_fhir_medication(medicine_id: str) -> None:
    """The Medication passes the R4 model, has a legal id, and its code names the medicine in both languages."""
    medicine = load()[medicine_id]
    resource = medication_resource(medicine)
    Medication.model_validate_json(EXACT.encode(resource))
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", resource["id"])
    assert resource["code"] == {
        "coding": [{"system": FORMULARY, "code": medicine_id, "display": medicine.generic_en}],
        "text": medicine.generic_zh,
    }
    assert len(resource["ingredient"]) == len(medicine.ingredients)


def test_a_compound_medicine_gives_each_ingredient_its_own_strength() -> None:
    """Losartan with hydrochlorothiazide: 50 mg and 12.5 mg in one tablet, written as exact numbers."""
    resource = medication_resource(load()["losartan-hctz-tab"])
    strengths = [entry["strength"]["numerator"] for entry in resource["ingredient"]]
    assert [(s["value"], s["code"]) for s in strengths] == [(Decimal(50), "mg"), (Decimal("12.5"), "mg")]
    assert resource["ingredient"][1]["strength"]["denominator"]["code"] == "{tablet}"
    assert b'"value":12.5,' in EXACT.encode(resource)


def test_a_strength_that_cannot_be_told_is_left_out() -> None:
    """One strength for several ingredients, or a strength in per cent, becomes no number at all."""
    danshen = medication_resource(load()["fufang-danshen-drippill"])
    assert all("strength" not in entry for entry in danshen["ingredient"])
    ethanol = medication_resource(load()["huoxiang-zhengqi-shui"])["ingredient"][1]
    assert "strength" not in ethanol


def test_the_pack_is_the_amount() -> None:
    """The pack size is Medication.amount: 28 tablets in one pack, in UCUM."""
    amount = medication_resource(load()["amlodipine-tab-5mg"])["amount"]
    assert amount["numerator"] == {"value": Decimal(28), "unit": "tablet", "system": UCUM, "code": "{tablet}"}
    assert amount["denominator"]["value"] == 1
