"""Numbers and quantities as ranges: what a measured value may be, and its unit (https://hl7.org/fhir/R4/search.html#quantity).

A comparator leaves one end open, a Range may; SampledData spans its lowest to its highest sample.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

UCUM = "http://unitsofmeasure.org"
CURRENCY = "urn:iso:std:iso:4217"
MOST_DIGITS = 300
"""A number with more digits before or after its point measures nothing, and is not found by its value."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All values from `lo` to `hi`, both included, None for an open end; and the unit, as far as it is told."""

    lo: Decimal | None
    hi: Decimal | None
    system: str | None = None
    code: str | None = None
    unit: str | None = None


def of(value: Any, type_: str) -> Measured | None:
    """What an element's value may be, or None when it says no number."""
    match type_:
        case "Money":
            return _point(number(value.get("value")), None, CURRENCY, value.get("currency"), None)
        case "Range":
            return _range(value)
        case "SampledData":
            return _sampled(value)
        case _ if isinstance(value, dict):
            unit = (value.get("system"), value.get("code"), value.get("unit"))
            return _point(number(value.get("value")), value.get("comparator"), *unit)
    return _point(number(value), None, None, None, None)


def number(value: Any) -> Decimal | None:
    """The value as an exact decimal, or None when it is none that can be kept in order."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    exponent = exact.as_tuple().exponent
    kept = isinstance(exponent, int) and exponent >= -MOST_DIGITS and exact.adjusted() <= MOST_DIGITS
    return exact if kept else None


def _point(
    value: Decimal | None, comparator: str | None, system: str | None, code: str | None, unit: str | None
) -> Measured | None:
    if value is None:
        return None
    lo = None if comparator in {"<", "<="} else value
    hi = None if comparator in {">", ">="} else value
    return Measured(lo, hi, system, code, unit)


def _range(value: dict[str, Any]) -> Measured | None:
    low, high = value.get("low") or {}, value.get("high") or {}
    lo, hi = number(low.get("value")), number(high.get("value"))
    if lo is None and hi is None:
        return None
    system, code, unit = (low.get(part) or high.get(part) for part in ("system", "code", "unit"))
    return Measured(lo, hi, system, code, unit)


def _sampled(value: dict[str, Any]) -> Measured | None:
    """Each sample counts `factor` steps from the origin; U and L lie beyond what the device can tell, E is none."""
    origin, factor = value.get("origin") or {}, number(value.get("factor", 1))
    zero, samples = number(origin.get("value")), str(value.get("data", "")).split()
    steps = [step for sample in samples if (step := number(sample)) is not None]
    if zero is None or factor is None or not steps:
        return None
    ends = sorted((zero + factor * min(steps), zero + factor * max(steps)))
    lo = None if "L" in samples else number(ends[0])
    hi = None if "U" in samples else number(ends[1])
    return Measured(lo, hi, origin.get("system"), origin.get("code"), origin.get("unit"))
