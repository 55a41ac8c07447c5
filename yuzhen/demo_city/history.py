"""What is known of some patients before they come: an outpatient record of a physical hospital, conditions, allergies.

https://hl7.org/fhir/R4/documentreference.html. The record's diagnosis is the ICD-10 code in `context.event`:
online care may only follow up a disease diagnosed before (TELE-01).
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from services.patients.terminology.diagnoses import ICD10
from services.patients.terminology.diagnoses import load as diagnoses
from services.pharmacy.formulary.medicines import Medicine
from services.pharmacy.formulary.medicines import load as medicines
from yuzhen.demo_city.chance import draw, pick
from yuzhen.demo_city.codes import (
    ALLERGEN,
    DOCUMENT_CATEGORY,
    LOINC,
    TERMINOLOGY,
    Element,
    Resource,
    coding,
    concept,
    reference,
)
from yuzhen.demo_city.departments import specialty
from yuzhen.demo_city.hospitals import hospital
from yuzhen.demo_city.patients import Patient, patients
from yuzhen.demo_city.staff import Doctor, doctors


@dataclass(frozen=True, slots=True)
class Illness:
    """A long-lasting disease of the demonstration: where it is treated, with what, and from which age on."""

    code: str
    department: str
    medicines: tuple[str, ...]
    from_age: int = 18


@dataclass(frozen=True, slots=True)
class PriorVisit:
    """An earlier outpatient visit at a physical hospital."""

    patient: Patient
    illness: Illness
    doctor: Doctor
    day: date


HYPERTENSION = Illness("I10", "dept-cardiology", ("amlodipine-tab-5mg", "irbesartan-tab-150mg"), 35)
DIABETES = Illness("E11", "dept-endocrinology", ("metformin-tab-500mg", "acarbose-tab-50mg"), 35)
ILLNESSES = (
    HYPERTENSION,
    DIABETES,
    Illness("I25", "dept-cardiology", ("aspirin-ectab-100mg", "atorvastatin-tab-20mg"), 50),
    Illness("E78.5", "dept-geriatrics", ("rosuvastatin-tab-10mg",), 40),
    Illness("E03", "dept-endocrinology", ("levothyroxine-tab-50ug",)),
    Illness("J45", "dept-respiratory", ("budesonide-formoterol-dpi-160", "montelukast-tab-10mg"), 15),
    Illness("J30", "dept-general-practice", ("loratadine-tab-10mg", "mometasone-nasal-50ug"), 12),
    Illness("G43", "dept-neurology", ("flunarizine-cap-5mg",)),
    Illness("K21", "dept-gastroenterology", ("esomeprazole-ectab-20mg",)),
    Illness("L20", "dept-dermatology", ("cetirizine-tab-10mg", "mometasone-cream"), 12),
)
_ALLERGIES = (
    ("penicillin", "青霉素类", "medication", "high"),
    ("cephalosporin", "头孢菌素类", "medication", "high"),
    ("sulfonamide-antibiotic", "磺胺类抗菌药", "medication", "low"),
    ("ibuprofen", "布洛芬", "medication", "low"),
    ("peanut", "花生", "food", "high"),
)


def prior_visits(start: date) -> Iterator[PriorVisit]:
    """About a third of the patients were seen in the half year before the start day."""
    for patient in patients():
        if patient.number == 2 or patient.number % 3 == 1:
            illness = _illness(patient)
            seers = [doctor for doctor in doctors() if doctor.department.id == illness.department]
            day = _weekday(start - timedelta(days=14 + draw(160, "prior day", patient.number)))
            yield PriorVisit(patient, illness, pick(seers, "prior doctor", patient.number), day)


def condition_resource(visit: PriorVisit) -> Resource:
    """The diagnosed disease as an active, confirmed problem."""
    years = 1 + draw(8, "onset", visit.patient.number)
    return {
        "resourceType": "Condition",
        "id": f"condition-{visit.patient.id}",
        "clinicalStatus": _status("condition-clinical", "active", "Active"),
        "verificationStatus": _status("condition-ver-status", "confirmed", "Confirmed"),
        "category": [_status("condition-category", "problem-list-item", "Problem List Item")],
        "code": diagnosis_concept(visit.illness.code),
        "subject": _subject(visit.patient),
        "onsetDateTime": str(visit.day.year - years),
        "recordedDate": visit.day.isoformat(),
        "asserter": reference("Practitioner", visit.doctor.id, visit.doctor.name.text),
    }


def document_resource(visit: PriorVisit) -> Resource:
    """The outpatient record itself, as a short plain text, with its diagnosis in `context.event`."""
    department = visit.doctor.department
    owner = hospital(department.hospital_id)
    day = visit.day.isoformat()
    return {
        "resourceType": "DocumentReference",
        "id": f"prior-record-{visit.patient.id}",
        "status": "current",
        "docStatus": "final",
        "type": concept(coding(LOINC, "34108-1", "Outpatient Note"), text="门诊病历"),
        "category": [concept(coding(DOCUMENT_CATEGORY, "prior-visit", "既往线下就诊记录"))],
        "subject": _subject(visit.patient),
        "date": f"{day}T12:00:00+08:00",
        "author": [reference("Practitioner", visit.doctor.id, visit.doctor.name.text)],
        "custodian": reference("Organization", owner.id, owner.name_zh),
        "content": [{"attachment": _attachment(visit)}],
        "context": {
            "event": [diagnosis_concept(visit.illness.code)],
            "period": {"start": f"{day}T09:00:00+08:00", "end": f"{day}T09:20:00+08:00"},
            "facilityType": concept(coding(f"{TERMINOLOGY}/v3-RoleCode", "OF", "Outpatient facility"), text="门诊"),
            "practiceSetting": specialty(visit.doctor.specialty),
            "related": [reference("Condition", f"condition-{visit.patient.id}")],
        },
    }


def allergy_resources(start: date) -> Iterator[Resource]:
    """What about one patient in nine must not be given."""
    for patient in patients():
        if patient.number % 9 == 5:
            yield _allergy(patient, start)


def diagnosis_concept(code: str) -> Element:
    """An ICD-10 code with its Chinese name. Raises KeyError on a code that is not in the list."""
    return concept(coding(ICD10, code, diagnoses()[code].display_zh))


def note(visit: PriorVisit) -> str:
    """What the doctor wrote at the earlier visit."""
    department = visit.doctor.department
    lines = [medicines()[id] for id in visit.illness.medicines]
    treatment = "；".join(f"{m.generic_zh}，每次{m.usual_adult_single_dose}，{_frequency(m)}" for m in lines)
    return "\n".join(
        (
            f"{hospital(department.hospital_id).name_zh} 门诊病历（演示数据）",
            f"日期：{visit.day.isoformat()}　科室：{department.name_zh}　医师：{visit.doctor.name.text}",
            f"姓名：{visit.patient.name.text}",
            f"诊断：{diagnoses()[visit.illness.code].display_zh}（{visit.illness.code}）",
            f"处理：{treatment}。病情稳定，定期复诊。",
        )
    )


def _illness(patient: Patient) -> Illness:
    if patient.number <= 2:
        return (HYPERTENSION, DIABETES)[patient.number - 1]
    # A fixed year, not the start day: the same patient has the same disease whenever the city is built.
    age = 2025 - patient.birth_date.year
    return pick([illness for illness in ILLNESSES if illness.from_age <= age], "illness", patient.number)


def _frequency(medicine: Medicine) -> str:
    return f"每日{medicine.usual_frequency.removesuffix('/d')}次"


def _weekday(day: date) -> date:
    """The day itself, or the Friday before when it is a weekend: the departments are closed then."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def _attachment(visit: PriorVisit) -> Element:
    text = note(visit).encode()
    return {
        "contentType": "text/plain;charset=utf-8",
        "language": "zh-CN",
        "data": b64encode(text).decode(),
        "size": len(text),
        "title": "门诊病历",
        "creation": f"{visit.day.isoformat()}T12:00:00+08:00",
    }


def _allergy(patient: Patient, start: date) -> Resource:
    code, display, category, criticality = pick(_ALLERGIES, "allergy", patient.number)
    recorded = start - timedelta(days=30 + draw(2000, "allergy day", patient.number))
    return {
        "resourceType": "AllergyIntolerance",
        "id": f"allergy-{patient.id}",
        "clinicalStatus": _status("allergyintolerance-clinical", "active", "Active"),
        "verificationStatus": _status("allergyintolerance-verification", "confirmed", "Confirmed"),
        "type": "allergy",
        "category": [category],
        "criticality": criticality,
        "code": concept(coding(ALLERGEN, code, display)),
        "patient": _subject(patient),
        "recordedDate": recorded.isoformat(),
    }


def _status(system: str, code: str, display: str) -> Element:
    return {"coding": [coding(f"{TERMINOLOGY}/{system}", code, display)]}


def _subject(patient: Patient) -> Element:
    return reference("Patient", patient.id)
