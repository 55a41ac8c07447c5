"""Numbers and quantities as ranges (https://hl7.org/fhir/R4/search.html#quantity)."""

from decimal import Decimal
from typing import Any

import pytest

from record.index.quantities import CURRENCY, UCUM, Measured, number, of

D = Decimal


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("decimal", D("5.40"), Measured(D("5.40"), D("5.40"))),
        ("integer", 3, Measured(D(3), D(3))),
        ("Quantity", {"value": D("0.1")}, Measured(D("0.1"), D("0.1"))),
        (
            "Quantity",
            {"value": 5, "unit": "milligram", "system": UCUM, "code": "mg"},
            Measured(D(5), D(5), UCUM, "mg", "milligram"),
        ),
        ("Quantity", {"value": 5, "comparator": "<"}, Measured(None, D(5))),
        ("Quantity", {"value": 5, "comparator": "<="}, Measured(None, D(5))),
        ("Quantity", {"value": 5, "comparator": ">"}, Measured(D(5), None)),
        ("Quantity", {"value": 5, "comparator": ">="}, Measured(D(5), None)),
        ("Age", {"value": 63, "system": UCUM, "code": "a"}, Measured(D(63), D(63), UCUM, "a")),
        ("Duration", {"value": 30, "system": UCUM, "code": "min"}, Measured(D(30), D(30), UCUM, "min")),
        ("Money", {"value": D("12.50"), "currency": "CNY"}, Measured(D("12.50"), D("12.50"), CURRENCY, "CNY")),
        ("Range", {"low": {"value": 1, "unit": "g"}, "high": {"value": 2}}, Measured(D(1), D(2), unit="g")),
        ("Range", {"low": {"value": 1}}, Measured(D(1), None)),
        ("Range", {"high": {"value": 2, "code": "g", "system": UCUM}}, Measured(None, D(2), UCUM, "g")),
    ],
)
def test_a_value_is_a_range_with_its_unit(type_: str, value: Any, expected: Measured) -> None:
    """A point, a comparator's open side, or the range as told."""
    assert of(value, type_) == expected


@pytest.mark.parametrize(
    ("data", "factor", "lo", "hi"),
    [
        ("1 5 3", 1, "1", "5"),
        ("1 5 3", D("0.5"), "10.5", "12.5"),
        ("1 5 3", -1, "5", "9"),
        ("1 E 3", 1, "1", "3"),
        ("L 2 3", 1, None, "3"),
        ("2 U", 1, "2", None),
    ],
)
def test_samples_span_from_the_lowest_to_the_highest(data: str, factor: Any, lo: str | None, hi: str | None) -> None:
    """Samples count steps from the origin; beyond the device's limits the end is open."""
    zero = 10 if factor != 1 else 0
    found = of({"origin": {"value": zero, "unit": "mV"}, "factor": factor, "data": data}, "SampledData")
    assert found == Measured(D(lo) if lo else None, D(hi) if hi else None, unit="mV")


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("Quantity", {"unit": "mg"}),
        ("Range", {}),
        ("Money", {"currency": "CNY"}),
        ("SampledData", {"origin": {"value": 0}, "data": "E U"}),
        ("SampledData", {"data": "1 2"}),
        ("Quantity", {"value": True}),
        ("Quantity", {"value": D("1E+5000")}),
        ("Quantity", {"value": D("1E-5000")}),
        ("Quantity", {"value": 10**400}),
    ],
)
def test_what_says_no_number_is_no_range(type_: str, value: Any) -> None:
    """Without a value, or with one no database keeps in order, there is nothing to find."""
    assert of(value, type_) is None


def test_no_decimal_goes_through_a_float() -> None:
    """Twenty-eight digits and more stay as they are told; a float from Python code means what it shows."""
    exact = D("1234567890.12345678901234567890")
    assert number(exact) == exact
    assert number(0.1) == D("0.1")
    assert number("NaN") is None
