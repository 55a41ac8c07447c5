"""The hospitals' departments as FHIR HealthcareService and Location.

https://hl7.org/fhir/R4/healthcareservice.html, https://hl7.org/fhir/R4/location.html
"""

from dataclasses import dataclass
from enum import StrEnum

from yuzhen.demo_city.codes import SPECIALTY, TERMINOLOGY, Element, Resource, coding, concept, in_english, reference
from yuzhen.demo_city.hospitals import CodeAndDisplay, Pharmacy, address, hospital


class Visit(StrEnum):
    """How patient and doctor meet: in the room, or by video. Codes of v3-ActCode, the same as Encounter.class."""

    IN_PERSON = "AMB"
    VIDEO = "VR"


@dataclass(frozen=True, slots=True)
class Department:
    """An outpatient department. `specialties` are medical subjects; each doctor practises one of them."""

    name: str
    hospital_id: str
    name_zh: str
    name_en: str
    specialties: tuple[CodeAndDisplay, ...]
    service_type: CodeAndDisplay
    doctors: int
    is_always_open: bool = False

    @property
    def id(self) -> str:
        return f"dept-{self.name}"

    @property
    def location_id(self) -> str:
        return f"location-{self.name}"


GENERAL = ("02", "全科医疗科")
RESPIRATORY = ("03.01", "呼吸内科专业")
GASTRO = ("03.02", "消化内科专业")
NEURO = ("03.03", "神经内科专业")
CARDIO = ("03.04", "心血管内科专业")
ENDOCRINE = ("03.07", "内分泌专业")
GERIATRIC = ("03.10", "老年病专业")

DEPARTMENTS = (
    Department("internet-followup", "hospital-1", "互联网复诊门诊", "Internet follow-up clinic (24 hours)",
               (CARDIO, ENDOCRINE, GENERAL, RESPIRATORY), ("124", "General Practice"), 12, is_always_open=True),
    Department("cardiology", "hospital-1", "心血管内科", "Cardiology", (CARDIO,), ("165", "Cardiology"), 5),
    Department("endocrinology", "hospital-1", "内分泌科", "Endocrinology", (ENDOCRINE,), ("169", "Endocrinology"), 5),
    Department("respiratory", "hospital-1", "呼吸内科", "Respiratory medicine", (RESPIRATORY,),
               ("184", "Thoracic Medicine"), 5),
    Department("neurology", "hospital-1", "神经内科", "Neurology", (NEURO,), ("177", "Neurology"), 5),
    Department("general-practice", "hospital-2", "全科医学科", "General practice", (GENERAL,),
               ("124", "General Practice"), 4),
    Department("gastroenterology", "hospital-2", "消化内科", "Gastroenterology", (GASTRO,),
               ("170", "Gastroenterology & Hepatology"), 4),
    Department("paediatrics", "hospital-2", "儿科", "Paediatrics", (("07", "儿科"),),
               ("200", "Paediatric Medicine"), 4),
    Department("dermatology", "hospital-2", "皮肤科", "Dermatology", (("13", "皮肤科"),), ("168", "Dermatology"), 4),
    Department("tcm-internal", "hospital-3", "中医内科", "Internal medicine (Chinese medicine)",
               (("50.01", "内科专业"),), ("18", "Chinese Herbal Medicine"), 4),
    Department("geriatrics", "hospital-3", "老年病科", "Geriatrics", (GERIATRIC,), ("171", "Geriatric Medicine"), 4),
    Department("rehabilitation", "hospital-3", "康复医学科", "Rehabilitation medicine", (("21", "康复医学科"),),
               ("181", "Rehabilitation Medicine"), 4),
)  # fmt: skip


def department(id: str) -> Department:
    """The department of that id. Raises KeyError when there is none."""
    return {one.id: one for one in DEPARTMENTS}[id]


def service_resource(of: Department) -> Resource:
    """The department as the HealthcareService patients choose."""
    return {
        "resourceType": "HealthcareService",
        "id": of.id,
        "active": True,
        "providedBy": reference("Organization", of.hospital_id, hospital(of.hospital_id).name_zh),
        "type": [service_type(of), *(visit_type(visit) for visit in visits(of))],
        "specialty": [specialty(subject) for subject in of.specialties],
        "location": [reference("Location", of.location_id, of.name_zh)],
        "name": of.name_zh,
        "_name": in_english(of.name_en),
        "appointmentRequired": True,
        "availableTime": _open_hours(of),
    }


def location_resource(of: Department) -> Resource:
    """Where the department is, in its hospital's district."""
    where = _location(of.location_id, of.name_zh, of.name_en)
    where["address"] = address(hospital(of.hospital_id).site)
    where["managingOrganization"] = reference("Organization", of.hospital_id, hospital(of.hospital_id).name_zh)
    return where | {"type": [concept(coding(f"{TERMINOLOGY}/v3-RoleCode", "OF", "Outpatient facility"), text="门诊")]}


def pharmacy_location_resource(of: Pharmacy) -> Resource:
    """Where the pharmacy's counter is."""
    where = _location(f"location-{of.id}", of.name_zh, of.name_en)
    where["address"] = address(of.site)
    where["managingOrganization"] = reference("Organization", of.id, of.name_zh)
    return where | {"type": [concept(coding(f"{TERMINOLOGY}/v3-RoleCode", "PHARM", "Pharmacy"), text="药房")]}


def service_type(of: Department) -> Element:
    """What the department does, in HL7's list of service types."""
    return concept(coding(f"{TERMINOLOGY}/service-type", *of.service_type), text=of.name_zh)


def visit_type(visit: Visit) -> Element:
    """How the visit is held, as a concept."""
    display, text = {Visit.IN_PERSON: ("ambulatory", "到院就诊"), Visit.VIDEO: ("virtual", "视频复诊")}[visit]
    return concept(coding(f"{TERMINOLOGY}/v3-ActCode", str(visit), display), text=text)


def visits(of: Department) -> tuple[Visit, ...]:
    """The kinds of visit a department offers."""
    return (Visit.VIDEO,) if of.is_always_open else (Visit.IN_PERSON, Visit.VIDEO)


def specialty(subject: CodeAndDisplay) -> Element:
    """A medical subject (诊疗科目) as a concept."""
    return concept(coding(SPECIALTY, *subject))


def _location(id: str, name_zh: str, name_en: str) -> Resource:
    return {
        "resourceType": "Location",
        "id": id,
        "status": "active",
        "name": name_zh,
        "_name": in_english(name_en),
        "alias": [name_en],
        "mode": "instance",
    }


def _open_hours(of: Department) -> list[Element]:
    if of.is_always_open:
        return [{"daysOfWeek": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "allDay": True}]
    weekdays = ["mon", "tue", "wed", "thu", "fri"]
    return [
        {"daysOfWeek": [*weekdays, "sat"], "availableStartTime": "08:00:00", "availableEndTime": "12:00:00"},
        {"daysOfWeek": weekdays, "availableStartTime": "14:00:00", "availableEndTime": "17:30:00"},
    ]
