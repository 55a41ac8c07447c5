"""The doctors and pharmacists as FHIR Practitioner and PractitionerRole.

https://hl7.org/fhir/R4/practitioner.html, https://hl7.org/fhir/R4/practitionerrole.html
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

from yuzhen.demo_city.chance import draw, pick
from yuzhen.demo_city.codes import (
    DOCTOR_LICENCE,
    PHARMACIST_LICENCE,
    TERMINOLOGY,
    Element,
    Resource,
    coding,
    concept,
    reference,
)
from yuzhen.demo_city.departments import DEPARTMENTS, Department, specialty
from yuzhen.demo_city.hospitals import PHARMACIES, CodeAndDisplay, Pharmacy, hospital
from yuzhen.demo_city.names import Name, drawn_name, human_names


@dataclass(frozen=True, slots=True)
class Doctor:
    """A doctor of one department; `place` counts from 0 within it, `number` from 1 in the city."""

    number: int
    place: int
    department: Department
    specialty: CodeAndDisplay
    name: Name
    gender: str
    registered: date

    @property
    def id(self) -> str:
        return f"doctor-{self.number:03}"

    @property
    def licence(self) -> str:
        """医师执业证书编码: 15 digits; 110 is a clinician, 140 a doctor of Chinese medicine."""
        kind = "140" if self.specialty[0].startswith("50") else "110"
        return f"{kind}{hospital(self.department.hospital_id).site.district[0]}{self.number:06}"


@dataclass(frozen=True, slots=True)
class Pharmacist:
    """The pharmacist on duty at one pharmacy."""

    number: int
    pharmacy: Pharmacy
    name: Name
    gender: str
    registered: date

    @property
    def id(self) -> str:
        return f"pharmacist-{self.number:03}"

    @property
    def licence(self) -> str:
        return f"PH{self.pharmacy.site.district[0]}{self.number:06}"


@cache
def doctors() -> tuple[Doctor, ...]:
    """All doctors, department by department, no two with the same name."""
    posts = [(department, place) for department in DEPARTMENTS for place in range(department.doctors)]
    taken: set[str] = set()
    return tuple(_doctor(number, *post, taken) for number, post in enumerate(posts, start=1))


@cache
def pharmacists() -> tuple[Pharmacist, ...]:
    """One pharmacist for each pharmacy; the first two review at hospitals, the next two sell in the city."""
    order = ("hospital-1", "hospital-2", "retail-1", "retail-2", "hospital-3")
    by_id = {pharmacy.id: pharmacy for pharmacy in PHARMACIES}
    taken = {doctor.name.text for doctor in doctors()}
    return tuple(_pharmacist(n, by_id[f"pharmacy-{name}"], taken) for n, name in enumerate(order, start=1))


def staff() -> tuple[Doctor | Pharmacist, ...]:
    """Everybody who works in the city."""
    return (*doctors(), *pharmacists())


def practitioner_resource(person: Doctor | Pharmacist) -> Resource:
    """Who the person is and what licence they hold."""
    system, title = _licence_kind(person)
    identifier = {"use": "official", "system": system, "value": person.licence}
    return {
        "resourceType": "Practitioner",
        "id": person.id,
        "identifier": [identifier],
        "active": True,
        "name": human_names(person.name),
        "gender": person.gender,
        "qualification": [
            {"identifier": [identifier], "code": {"text": title}, "period": {"start": person.registered.isoformat()}}
        ],
    }


def doctor_role_resource(doctor: Doctor) -> Resource:
    """Where the doctor sees patients and in which medical subject."""
    department = doctor.department
    return _role(doctor, "doctor", "Doctor", "医师") | {
        "organization": reference("Organization", department.hospital_id, hospital(department.hospital_id).name_zh),
        "specialty": [specialty(doctor.specialty)],
        "location": [reference("Location", department.location_id, department.name_zh)],
        "healthcareService": [reference("HealthcareService", department.id, department.name_zh)],
    }


def pharmacist_role_resource(pharmacist: Pharmacist) -> Resource:
    """Which pharmacy the pharmacist answers for."""
    pharmacy = pharmacist.pharmacy
    return _role(pharmacist, "pharmacist", "Pharmacist", "药师") | {
        "organization": reference("Organization", pharmacy.id, pharmacy.name_zh),
        "location": [reference("Location", f"location-{pharmacy.id}", pharmacy.name_zh)],
    }


def _doctor(number: int, department: Department, place: int, taken: set[str]) -> Doctor:
    gender = pick(("male", "female"), "doctor gender", number)
    subject = department.specialties[place % len(department.specialties)]
    name = _fresh_name(gender, "doctor", number, taken)
    return Doctor(number, place, department, subject, name, gender, _registered("doctor", number))


def _pharmacist(number: int, pharmacy: Pharmacy, taken: set[str]) -> Pharmacist:
    gender = pick(("male", "female"), "pharmacist gender", number)
    name = _fresh_name(gender, "pharmacist", number, taken)
    return Pharmacist(number, pharmacy, name, gender, _registered("pharmacist", number))


def _fresh_name(gender: str, kind: str, number: int, taken: set[str]) -> Name:
    attempt = 0
    while (name := drawn_name(gender, kind, number, attempt)).text in taken:
        attempt += 1
    taken.add(name.text)
    return name


def _registered(kind: str, number: int) -> date:
    """Long enough ago for online practice, which asks for three years on one's own (TELE-06)."""
    return date(1995 + draw(24, kind, "year", number), 1 + draw(12, kind, "month", number), 1)


def _licence_kind(person: Doctor | Pharmacist) -> tuple[str, str]:
    return (DOCTOR_LICENCE, "医师执业证书") if isinstance(person, Doctor) else (PHARMACIST_LICENCE, "药师资格证书")


def _role(person: Doctor | Pharmacist, code: str, display: str, text: str) -> Element:
    return {
        "resourceType": "PractitionerRole",
        "id": f"role-{person.id}",
        "active": True,
        "period": {"start": person.registered.isoformat()},
        "practitioner": reference("Practitioner", person.id, person.name.text),
        "code": [concept(coding(f"{TERMINOLOGY}/practitioner-role", code, display), text=text)],
    }
