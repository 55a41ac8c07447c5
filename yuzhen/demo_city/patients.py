"""Two hundred invented residents as FHIR Patient: https://hl7.org/fhir/R4/patient.html.

The identity number follows GB 11643: area, birth date, sequence (odd for men), check character (ISO 7064 MOD 11-2).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from stdnum.cn import ric

from yuzhen.demo_city.chance import draw, pick
from yuzhen.demo_city.codes import RESIDENT_IDENTITY, Resource, identifier_type
from yuzhen.demo_city.names import Name, drawn_name, human_names

COUNT = 200
DISTRICTS = ("渝中区", "大渡口区", "江北区", "沙坪坝区", "九龙坡区", "南岸区", "北碚区", "渝北区", "巴南区")


@dataclass(frozen=True, slots=True)
class Patient:
    """A resident who may become a patient; `number` counts from 1."""

    number: int
    name: Name
    gender: str
    birth_date: date
    identity_number: str
    phone: str
    district: str

    @property
    def id(self) -> str:
        return f"patient-{self.number:03}"


@cache
def patients() -> tuple[Patient, ...]:
    """All residents; the first has hypertension, the second diabetes, and neither has an allergy."""
    return tuple(_patient(number) for number in range(1, COUNT + 1))


def patient_resource(patient: Patient) -> Resource:
    """The resident as a Patient, known by the identity card."""
    line = f"示范路{100 + patient.number}号"
    return {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [
            {
                "use": "official",
                "type": identifier_type("CIN", "公民身份号码"),
                "system": RESIDENT_IDENTITY,
                "value": patient.identity_number,
            }
        ],
        "active": True,
        "name": human_names(patient.name),
        "telecom": [{"system": "phone", "value": patient.phone, "use": "mobile"}],
        "gender": patient.gender,
        "birthDate": patient.birth_date.isoformat(),
        "address": [
            {
                "use": "home",
                "text": f"重庆市{patient.district}{line}",
                "line": [line],
                "city": "重庆市",
                "district": patient.district,
                "country": "CN",
            }
        ],
    }


# Names that break software: a middle dot, two-character surnames, characters outside the basic plane.
_UNUSUAL = {
    3: (Name("阿依古丽·买买提"), "female"),
    4: (Name("扎西·顿珠"), "male"),
    5: (Name("李𬭎", "李", "𬭎"), "male"),
    6: (Name("王㛃", "王", "㛃"), "female"),
    7: (Name("欧阳𫖯", "欧阳", "𫖯"), "male"),
    8: (Name("陈喆堃", "陈", "喆堃"), "male"),
    9: (Name("张𬱖", "张", "𬱖"), "female"),
    10: (Name("古丽巴哈尔·阿不都热合曼"), "female"),
}
_FIRST = {
    1: (Name("何建国", "何", "建国", "He Jianguo"), "male", date(1962, 5, 17)),
    2: (Name("周素芬", "周", "素芬", "Zhou Sufen"), "female", date(1968, 11, 2)),
}


def _patient(number: int) -> Patient:
    name, gender, born = _person(number)
    return Patient(
        number=number,
        name=name,
        gender=gender,
        birth_date=born,
        identity_number=_identity_number(number, gender, born),
        phone=f"1990000{number:04}",
        district=pick(DISTRICTS, "district", number),
    )


def _person(number: int) -> tuple[Name, str, date]:
    if number in _FIRST:
        return _FIRST[number]
    born = date(1938, 1, 1) + timedelta(days=draw(74 * 365, "born", number))
    if number in _UNUSUAL:
        return *_UNUSUAL[number], born
    gender = pick(("male", "female"), "gender", number)
    return drawn_name(gender, "patient", number), gender, born


def _identity_number(number: int, gender: str, born: date) -> str:
    sequence = 2 * number + (gender == "male")
    body = f"{pick(_areas(born.year), 'area', number)}{born:%Y%m%d}{sequence:03}"
    return body + str(ric.calc_check_digit(body + "0"))


def _areas(year: int) -> tuple[str, ...]:
    """Area codes that existed in a birth year: 5001xx date from 1997, before Chongqing belonged to Sichuan (51)."""
    if year >= 1997:
        return ("500103", "500104", "500105", "500106", "500107", "500108", "500109", "500112", "500113")
    if year >= 1983:
        return ("510202", "510203", "510211", "510212", "510213", "510214", "510215")
    return ("510221", "510222", "510223", "510224")
