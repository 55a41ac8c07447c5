"""A town's hospital record of any size, resource by resource: the n-th patient is the same one in every size.

What belongs to one doctor or one patient is as much in a small town as in a large one, so that a search finds as much
in both and its cost can be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

ENTERED = datetime(2026, 11, 24, 20, tzinfo=UTC)
FIRST = datetime(2026, 9, 1, tzinfo=UTC)
SLOTS_EACH, VISITS_EACH = 1000, 800
"""Of one doctor."""
READINGS_EACH = 10
"""Observations of one patient, of two kinds; seven patients in ten have none."""
STATUSES = ("booked", "fulfilled", "arrived", "cancelled", "noshow")
FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文辉力海峰波宁贵福生龙元全学祥才发武新利清飞彬富"
LOINC = (
    ("8310-5", "Body temperature", 36.4, "Cel"),
    ("8867-4", "Heart rate", 72, "/min"),
    ("9279-1", "Respiratory rate", 16, "/min"),
    ("29463-7", "Body weight", 62.5, "kg"),
    ("8302-2", "Body height", 168, "cm"),
    ("2708-6", "Oxygen saturation in Arterial blood", 97, "%"),
    ("15074-8", "Glucose [Moles/volume] in Blood", 5.4, "mmol/L"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 134, "g/L"),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 140, "mmol/L"),
)
PRESSURE = "85354-9"

Made = tuple[str, bytes]
"""Id and body."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of the town: the room that owns it, its share of the whole, and how its n-th is made."""

    type: str
    room: str
    share: float
    make: Callable[[int], dict[str, Any]]

    def made(self, n: int) -> Made:
        """The n-th of this type."""
        one = self.make(n)
        return str(one["id"]), orjson.dumps(one)


@dataclass(frozen=True, slots=True)
class Town:
    """A town whose record holds about so many resources."""

    size: int

    def count(self, type: str) -> int:
        """How many of this type there are."""
        share = next(kind.share for kind in KINDS if kind.type == type)
        return max(1, int(self.size * share)) if self.size else 0

    @property
    def doctors(self) -> int:
        """Doctors whose diary is full."""
        return max(1, self.count("Appointment") // VISITS_EACH)

    @property
    def measured(self) -> int:
        """Patients with a full row of observations."""
        return max(1, self.count("Observation") // READINGS_EACH)


NO_TOWN = Town(0)


def name(n: int) -> str:
    """The n-th patient's name; about one in ten shares it with somebody."""
    mixed = n * 2654435761 % 2**32
    given = GIVEN[mixed // 30 % len(GIVEN)] + GIVEN[mixed // 2000 % len(GIVEN)]
    return FAMILY[mixed % len(FAMILY)] + given


def code(n: int, reading: int) -> str:
    """The LOINC code of the n-th measured patient's readings."""
    at = (n + reading % 2) % (len(LOINC) + 1)
    return LOINC[at][0] if at < len(LOINC) else PRESSURE


def measured_patient(n: int) -> str:
    """Reference to the n-th patient with observations."""
    return f"Patient/town-{n * 3}"


def _patient(n: int) -> dict[str, Any]:
    whole = name(n)
    return {
        "resourceType": "Patient",
        "id": f"town-{n}",
        "identifier": [
            {"use": "usual", "system": "urn:town:card", "value": f"card-{n:07d}"},
            {"use": "secondary", "system": f"urn:town:hospital-{n % 7}", "value": f"{n * 31 % 10_000_019}"},
        ],
        "active": True,
        "name": [{"use": "official", "text": whole, "family": whole[0], "given": [whole[1:]]}],
        "telecom": [{"system": "phone", "value": f"13{n * 7919 % 10**9:09d}", "use": "mobile"}],
        "gender": "female" if n % 2 else "male",
        "birthDate": f"{1930 + n * 7 % 90}-{n % 12 + 1:02d}-{n % 28 + 1:02d}",
        "address": [{"text": f"重庆市渝中区人民路{n % 500}号", "city": "重庆市", "district": "渝中区"}],
        "managingOrganization": {"reference": "Organization/hospital-1"},
    }


def _practitioner(n: int) -> dict[str, Any]:
    whole = name(n + 10**6)
    return {
        "resourceType": "Practitioner",
        "id": f"town-{n}",
        "identifier": [{"system": "urn:town:staff", "value": f"staff-{n:05d}"}],
        "active": True,
        "name": [{"text": whole, "family": whole[0], "given": [whole[1:]]}],
        "gender": "male" if n % 2 else "female",
    }


def _schedule(n: int) -> dict[str, Any]:
    return {
        "resourceType": "Schedule",
        "id": f"town-{n}",
        "active": True,
        "actor": [{"reference": f"Practitioner/town-{n}"}],
        "planningHorizon": {"start": FIRST.isoformat(), "end": (FIRST + timedelta(days=120)).isoformat()},
    }


def _slot(n: int) -> dict[str, Any]:
    start = FIRST + timedelta(minutes=15 * (n % SLOTS_EACH))
    return {
        "resourceType": "Slot",
        "id": f"town-{n}",
        "serviceType": [{"coding": [{"system": "urn:town:service", "code": f"s{n // SLOTS_EACH % 20}"}]}],
        "schedule": {"reference": f"Schedule/town-{n // SLOTS_EACH}"},
        "status": "busy" if n % 4 == 0 else "free",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=15)).isoformat(),
    }


def _appointment(n: int) -> dict[str, Any]:
    doctor, place = divmod(n, VISITS_EACH)
    start = FIRST + timedelta(minutes=15 * place)
    people = [f"Patient/town-{n * 2 // 5}", f"Practitioner/town-{doctor}"]
    return {
        "resourceType": "Appointment",
        "id": f"town-{n}",
        "identifier": [{"system": "urn:town:visit", "value": f"visit-{n}"}],
        "status": STATUSES[n % len(STATUSES)],
        "serviceType": [{"coding": [{"system": "urn:town:service", "code": f"s{doctor % 20}"}]}],
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=15)).isoformat(),
        "slot": [{"reference": f"Slot/town-{doctor * SLOTS_EACH + place}"}],
        "created": (start - timedelta(days=3)).isoformat(),
        "participant": [{"actor": {"reference": person}, "status": "accepted"} for person in people],
    }


def _observation(n: int) -> dict[str, Any]:
    person, reading = divmod(n, READINGS_EACH)
    return reading_of(measured_patient(person), code(person, reading), reading, id=f"town-{n}")


def reading_of(patient: str, loinc: str, reading: int, **more: str) -> dict[str, Any]:
    """An observation as a ward's monitor sends it: one value, or the two of a blood pressure."""
    at = FIRST + timedelta(hours=7 * reading)
    whole: dict[str, Any] = {
        "resourceType": "Observation",
        **more,
        "status": "final",
        "category": [{"coding": [{"system": f"{TERMS}/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "subject": {"reference": patient},
        "effectiveDateTime": at.isoformat(),
        "issued": (at + timedelta(minutes=1)).isoformat(),
        "performer": [{"reference": "Organization/hospital-1"}],
    }
    if loinc == PRESSURE:
        pair = (("8480-6", 118 + reading), ("8462-4", 76 + reading))
        parts = [{"code": _loinc(part), "valueQuantity": _quantity(value, "mm[Hg]")} for part, value in pair]
        return {**whole, "component": parts}
    _, display, value, unit = next(one for one in LOINC if one[0] == loinc)
    whole["code"]["coding"][0]["display"] = display
    return {**whole, "valueQuantity": _quantity(value + reading, unit)}


TERMS = "http://terminology.hl7.org/CodeSystem"


def _loinc(part: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": part}]}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": round(value, 1), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _condition(n: int) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"town-{n}",
        "clinicalStatus": {"coding": [{"system": f"{TERMS}/condition-clinical", "code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": f"I{10 + n % 70}"}]},
        "subject": {"reference": f"Patient/town-{n * 5}"},
        "recordedDate": (FIRST + timedelta(hours=n % 2000)).isoformat(),
    }


KINDS = (
    Kind("Practitioner", "appointments", 0.0004, _practitioner),
    Kind("Schedule", "appointments", 0.0004, _schedule),
    Kind("Slot", "appointments", 0.30, _slot),
    Kind("Appointment", "appointments", 0.25, _appointment),
    Kind("Patient", "patients", 0.10, _patient),
    Kind("Observation", "patients", 0.33, _observation),
    Kind("Condition", "patients", 0.0192, _condition),
)
