"""What a medicine of the formulary is, and how to find one by name.

Doses keep their exact decimals and their UCUM units (https://ucum.org/ucum).
"""

import csv
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TypeVar

T = TypeVar("T")


class LegalClass(StrEnum):
    """How the law sorts a medicine; everything from `NARCOTIC` on is specially controlled."""

    RX = "rx"
    OTC_A = "otc-a"
    OTC_B = "otc-b"
    NARCOTIC = "narcotic"
    PSYCHOTROPIC_1 = "psychotropic-1"
    PSYCHOTROPIC_2 = "psychotropic-2"
    TOXIC = "toxic"
    RADIOACTIVE = "radioactive"
    PRECURSOR = "precursor"
    VACCINE = "vaccine"
    BLOOD_PRODUCT = "blood-product"


class AntibacterialGrade(StrEnum):
    """Which right a doctor needs to order an antibacterial (抗菌药物分级)."""

    NONE = "none"
    NON_RESTRICTED = "non-restricted"
    RESTRICTED = "restricted"
    SPECIAL = "special"


class Suitability(StrEnum):
    """What the label says about use in pregnancy or lactation."""

    AVOID = "avoid"
    CAUTION = "caution"
    COMPATIBLE = "compatible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact amount with its UCUM unit, as `5 mg` or `10 mg/d`."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{self.value} {self.unit}"


@dataclass(frozen=True, slots=True)
class Medicine:
    """One product of the formulary. `None` and empty tuples mean "not known here", never "no limit"."""

    id: str
    generic_zh: str
    generic_en: str
    ingredients: tuple[str, ...]
    classes: tuple[str, ...]
    form_zh: str
    form_en: str
    strengths: tuple[Quantity, ...]
    dose_unit: str
    route: str
    legal_class: LegalClass
    antibacterial_grade: AntibacterialGrade
    needs_cold_chain: bool
    needs_skin_test: bool
    is_high_alert: bool
    usual_adult_single_dose: Quantity | None
    max_adult_single_dose: Quantity | None
    max_adult_daily_dose: Quantity | None
    child_max_single_per_kg: Quantity | None
    child_max_daily_per_kg: Quantity | None
    usual_frequency: str
    min_age_years: Decimal | None
    max_duration_days: int | None
    pregnancy: Suitability
    lactation: Suitability
    renal_rules: tuple[str, ...]
    sex: str
    indications: tuple[str, ...]
    online_retail_ban: str
    price_fen_per_pack: int
    pack_size: Quantity
    source: str
    review_status: str


@cache
def load() -> Mapping[str, Medicine]:
    """The whole formulary by medicine id, in the order of the file."""
    text = files("services.pharmacy.formulary").joinpath("formulary.csv").read_text(encoding="utf-8")
    medicines = [parsed(row) for row in csv.DictReader(text.splitlines())]
    return MappingProxyType({medicine.id: medicine for medicine in medicines})


def find(text: str, limit: int = 20) -> list[Medicine]:
    """Medicines whose Chinese or English generic name holds every word of the text, names that begin with it first."""
    words = folded(text).split()
    if not words:
        return []
    hits = [m for m in load().values() if all(word in _names(m.id) for word in words)]
    return sorted(hits, key=lambda m: (not _begins(m, words[0]), len(m.generic_zh), m.id))[:limit]


def unfit_for_online(medicine: Medicine) -> str | None:
    """Why a medicine may not be ordered or sold online, as its legal class or its entry on the ban list; else None.

    TELE-04 (no specially controlled medicine online) and 药品网络销售禁止清单 2022.
    """
    if medicine.legal_class not in (LegalClass.RX, LegalClass.OTC_A, LegalClass.OTC_B):
        return str(medicine.legal_class)
    return None if medicine.online_retail_ban == "none" else medicine.online_retail_ban


def folded(text: str) -> str:
    """Text made comparable: one width, one case, and one of each pair of characters often typed for another."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_LOOK_ALIKES)


def quantity(text: str) -> Quantity:
    """`"2.5 mg"` as an exact Quantity. Raises ValueError when there is no number or no unit."""
    matched = _QUANTITY.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r} is not a number, a space and a UCUM unit")
    return Quantity(Decimal(matched["value"]), matched["unit"])


def parsed(row: Mapping[str, str]) -> Medicine:
    """One line of the file as a Medicine. Raises ValueError on a code or number that cannot be read."""
    return Medicine(
        id=row["id"],
        generic_zh=row["generic_zh"],
        generic_en=row["generic_en"],
        ingredients=_parts(row["ingredients"]),
        classes=_parts(row["classes"]),
        form_zh=row["form_zh"],
        form_en=row["form_en"],
        strengths=tuple(quantity(part) for part in _parts(row["strength"])),
        dose_unit=row["dose_unit"],
        route=row["route"],
        legal_class=LegalClass(row["legal_class"]),
        antibacterial_grade=AntibacterialGrade(row["antibacterial_grade"]),
        needs_cold_chain=row["cold_chain"] == "1",
        needs_skin_test=row["skin_test"] == "1",
        is_high_alert=row["high_alert"] == "1",
        usual_adult_single_dose=_known(quantity, row["usual_adult_single_dose"]),
        max_adult_single_dose=_known(quantity, row["max_adult_single_dose"]),
        max_adult_daily_dose=_known(quantity, row["max_adult_daily_dose"]),
        child_max_single_per_kg=_known(quantity, row["child_max_single_per_kg"]),
        child_max_daily_per_kg=_known(quantity, row["child_max_daily_per_kg"]),
        usual_frequency=row["usual_frequency"],
        min_age_years=_known(Decimal, row["min_age_years"]),
        max_duration_days=_known(int, row["max_duration_days"]),
        pregnancy=Suitability(row["pregnancy"]),
        lactation=Suitability(row["lactation"]),
        renal_rules=_parts(row["renal_rule"]),
        sex=row["sex"],
        indications=_parts(row["indications"]),
        online_retail_ban=row["online_retail_ban"],
        price_fen_per_pack=int(row["price_fen_per_pack"]),
        pack_size=quantity(row["pack_size"]),
        source=row["source"],
        review_status=row["review_status"],
    )


_QUANTITY = re.compile(r"(?P<value>\d+(\.\d+)?) (?P<unit>\S+)")
_LOOK_ALIKES = str.maketrans({"卓": "䓬", "磷": "膦"})


def _known(read: Callable[[str], T], text: str) -> T | None:
    return read(text) if text else None


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split("|") if part)


@cache
def _names(medicine_id: str) -> str:
    medicine = load()[medicine_id]
    return folded(f"{medicine.generic_zh} {medicine.generic_en}")


def _begins(medicine: Medicine, word: str) -> bool:
    return any(folded(name).startswith(word) for name in (medicine.generic_zh, medicine.generic_en))
