"""Orders and prescriptions for the tests, as small as they can be."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.pharmacy.order import Fill, Order
from services.pharmacy.prescription import Case, Line, Visit

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""Twelve o'clock at the hospital."""
MIDNIGHT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
DOCTOR = "Practitioner/doctor-1"
HOSPITAL_PHARMACY = "Organization/hospital-pharmacy"
CHOSEN = "Organization/corner-pharmacy"
OTHER = "Organization/other-pharmacy"


def order(*ordered: str, expires_at: datetime = MIDNIGHT) -> Order:
    """A freshly submitted order with one line per quantity, in tablets."""
    fills = tuple(Fill(f"line-{n}", f"Medication/m{n}", "tablet", Decimal(q)) for n, q in enumerate(ordered or ("14",)))
    return Order(
        id="task-1",
        group="group-1",
        prescription="prescription-1",
        patient="patient-1",
        encounter="Encounter/visit-1",
        prescriber=DOCTOR,
        hospital_pharmacy=HOSPITAL_PHARMACY,
        fills=fills,
        authored_at=NOON,
        expires_at=expires_at,
    )


def line(**changes: object) -> Line:
    """A line nothing is wrong with, except for what the test changes."""
    sound: dict[str, object] = {
        "id": "line-1",
        "version": 1,
        "medication": "Medication/amlodipine",
        "legal_class": "rx",
        "conditions": ("Condition/hypertension",),
        "directions": ("每日一次，每次一片",),
        "route": "oral",
        "has_frequency": True,
        "dose": Decimal("5"),
        "dose_unit": "mg",
        "quantity": Decimal("7"),
        "unit": "tablet",
        "days": Decimal("7"),
        "is_long_term": False,
        "reason": "",
        "valid_until": None,
    }
    return Line(**(sound | changes))  # type: ignore[arg-type]


def case(*lines: Line, **visit: object) -> Case:
    """A live, confirmed follow-up visit with these lines."""
    sound: dict[str, object] = {
        "encounter": "Encounter/visit-1",
        "patient": "patient-1",
        "status": "in-progress",
        "practitioners": (DOCTOR,),
        "is_follow_up": True,
        "provider": "Organization/hospital",
    }
    correcting = bool(visit.pop("is_correction", False))
    seen = Visit(**(sound | visit))  # type: ignore[arg-type]
    return Case(lines or (line(),), seen, frozenset({"Condition/hypertension"}), NOON, correcting)


def after(days: float) -> datetime:
    """So many days after noon."""
    return NOON + timedelta(days=days)
