"""Medicines of the formulary as FHIR Medication: https://hl7.org/fhir/R4/medication.html."""

from decimal import Decimal
from typing import Any

from record.canonical import code_system, extension
from services.pharmacy.formulary.medicines import Medicine, Quantity

FORMULARY = code_system("formulary")
INGREDIENT = code_system("ingredient")
DOSE_FORM = code_system("dose-form")
REVIEW_STATUS = code_system("review-status")
LEGAL_CLASS = extension("medication-legal-class")
ONLINE_RETAIL_BAN = extension("medication-online-retail-ban")
UCUM = "http://unitsofmeasure.org"


def medication_resource(medicine: Medicine) -> dict[str, Any]:
    """The medicine as a FHIR Medication, found by code, by Chinese name (text) and by English name (display).

    Amounts are `Decimal`: write the resource with an encoder that keeps them exact numbers,
    such as `msgspec.json.Encoder(decimal_format="number")`.
    """
    return {
        "resourceType": "Medication",
        "id": medicine.id,
        "meta": {"tag": [{"system": REVIEW_STATUS, "code": medicine.review_status}]},
        "extension": [
            {"url": LEGAL_CLASS, "valueCode": str(medicine.legal_class)},
            {"url": ONLINE_RETAIL_BAN, "valueCode": medicine.online_retail_ban},
        ],
        "code": {
            "coding": [{"system": FORMULARY, "code": medicine.id, "display": medicine.generic_en}],
            "text": medicine.generic_zh,
        },
        "status": "active",
        "form": {"coding": [_form(medicine.form_en)], "text": medicine.form_zh},
        "amount": _ratio(medicine.pack_size, Quantity(Decimal(1), "{pack}")),
        "ingredient": [_ingredient(medicine, at) for at in range(len(medicine.ingredients))],
    }


def _form(name: str) -> dict[str, str]:
    return {"system": DOSE_FORM, "code": name.replace(",", "").replace(" ", "-"), "display": name}


def _ingredient(medicine: Medicine, at: int) -> dict[str, Any]:
    slug = medicine.ingredients[at]
    entry: dict[str, Any] = {
        "itemCodeableConcept": {"coding": [{"system": INGREDIENT, "code": slug, "display": slug.replace("-", " ")}]},
        "isActive": True,
    }
    if strength := _strength(medicine, at):
        entry["strength"] = strength
    return entry


def _strength(medicine: Medicine, at: int) -> dict[str, Any] | None:
    """How much of the ingredient one unit holds; None where the file does not say it for this ingredient."""
    if len(medicine.strengths) != len(medicine.ingredients):
        return None
    strength = medicine.strengths[at]
    amount, _, per = strength.unit.partition("/")
    if not per:
        per = medicine.pack_size.unit
    countable = "/" in strength.unit or per.startswith("{")
    if not countable or amount.startswith(("{", "%")):
        return None
    return _ratio(Quantity(strength.value, amount), Quantity(Decimal(1), per))


def _ratio(numerator: Quantity, denominator: Quantity) -> dict[str, Any]:
    return {"numerator": _quantity(numerator), "denominator": _quantity(denominator)}


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return {"value": quantity.value, "unit": quantity.unit.strip("{}"), "system": UCUM, "code": quantity.unit}
