import csv
import re
from importlib.resources import files

from services.patients.terminology.diagnoses import category, find, load


def test_every_line_of_the_file_is_a_diagnosis() -> None:
    """All 402 lines parse into codes of the ICD-10 form, each with both names."""
    text = files("services.patients.terminology").joinpath("icd10_zh_subset.csv").read_text(encoding="utf-8")
    codes = [row["code"] for row in csv.DictReader(text.splitlines())]
    assert len(codes) == 402
    assert list(load()) == codes
    for diagnosis in load().values():
        assert re.fullmatch(r"[A-Z]\d\d(\.\d)?", diagnosis.code)
        assert diagnosis.display_zh
        assert diagnosis.display_en


def test_a_code_prefix_finds_the_category_and_its_children() -> None:
    """Typing `e11` gives E11 first, then its codes in order, and nothing else before them."""
    codes = [diagnosis.code for diagnosis in find("e11")]
    assert codes[:2] == ["E11", "E11.1"]
    assert all(code.startswith("E11") for code in codes)
    assert [d.code for d in find("E11.9")] == ["E11.9"]


def test_a_name_finds_the_diagnosis_in_both_languages() -> None:
    """Hypertension is found by its Chinese and its English name, the plain disease first."""
    assert find("高血压")[0].code == "I10"
    assert find("essential HYPERTENSION")[0].code == "I10"
    assert [d.code for d in find("糖尿病", limit=2)] == ["E10", "E11"]


def test_a_search_keeps_its_limit() -> None:
    """A search gives at most the limit; an empty or unknown text gives none."""
    assert len(find("病", limit=5)) == 5
    assert find("") == []
    assert find("zzz") == []


def test_the_category_is_the_first_three_characters() -> None:
    """Codes of one disease share their category whatever their length, case or spaces."""
    assert category("E11.9") == category("e11.22 ") == category("E11") == "E11"
    assert {category(code) for code in load()} <= {code[:3] for code in load()}


def test_chronic_and_notifiable_are_told_apart() -> None:
    """Hypertension is chronic and not notifiable; cholera is class A and not chronic."""
    assert load()["I10"].is_chronic
    assert load()["I10"].notifiable_class is None
    assert not load()["A00"].is_chronic
    assert load()["A00"].notifiable_class == "A"
    assert load()["A00"].syndromes == ("diarrhoea",)
