"""The history of a person as another system hands it out: a Bundle whose entries point at one another by urn:uuid."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

Resource = dict[str, Any]
MRN = "https://old-his.example/mrn"
STAFF = "https://old-his.example/staff"


class Value(str):
    """A decimal to be written as it stands."""


def uuid(name: str) -> str:
    """A UUID that follows from a name."""
    return str(uuid5(NAMESPACE_OID, name))


def written(value: Any) -> str:
    """JSON in which each Value is a number, spelt as it is."""
    match value:
        case Value():
            return str(value)
        case dict():
            return "{" + ",".join(f"{written(str(name))}:{written(one)}" for name, one in value.items()) + "}"
        case list():
            return "[" + ",".join(written(one) for one in value) + "]"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def patient(name: str, **more: Any) -> Resource:
    """Somebody with a record number of the old system."""
    return {
        "resourceType": "Patient",
        "id": uuid(name),
        "identifier": [{"system": MRN, "value": name}],
        "name": [{"text": "向秀英"}],
        "birthDate": "1951-03-08",
        **more,
    }


def observation(name: str, of: str, **more: Any) -> Resource:
    """A measurement with a decimal that must stay as it is."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2019-05-04T10:00:00+08:00",
        "valueQuantity": {"value": Value("70.10"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        **more,
    }


def visits(name: str, count: int) -> list[Resource]:
    """A person, and so many visits with all that is written down in one."""
    who = {"reference": f"urn:uuid:{uuid(name)}"}
    found = [patient(name)]
    for number in range(count):
        found += _visit(f"{name}-{number}", who, f"20{10 + number % 10}-0{number % 9 + 1}-11T09:00:00+08:00")
    return found


def _visit(name: str, who: Resource, at: str) -> list[Resource]:
    def one(type_: str, **said: Any) -> Resource:
        return {"resourceType": type_, "id": uuid(f"{name}-{type_}"), **said}

    coded = {"coding": [{"system": "http://snomed.info/sct", "code": "59621000", "display": "Hypertension"}]}
    encounter = {"reference": f"urn:uuid:{uuid(f'{name}-Encounter')}"}
    within = {"subject": who, "encounter": encounter}
    doctor = {"reference": f"Practitioner?identifier={STAFF}|7"}
    measured = observation(uuid(f"{name}-Observation"), "", **within, effectiveDateTime=at, performer=[doctor])
    return [
        one(
            "Encounter",
            status="finished",
            **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
            subject=who,
            period={"start": at, "end": at},
        ),
        one("Condition", code=coded, recordedDate=at, **within),
        measured,
        one("Procedure", status="completed", code=coded, performedDateTime=at, **within),
        one(
            "Immunization",
            status="completed",
            vaccineCode=coded,
            patient=who,
            encounter=encounter,
            occurrenceDateTime=at,
        ),
        one(
            "MedicationRequest",
            status="completed",
            intent="order",
            medicationCodeableConcept=coded,
            authoredOn=at,
            **within,
        ),
        one(
            "DiagnosticReport",
            status="final",
            code=coded,
            effectiveDateTime=at,
            result=[{"reference": f"urn:uuid:{measured['id']}"}],
            **within,
        ),
        one(
            "Claim",
            status="active",
            type=coded,
            use="claim",
            patient=who,
            created=at,
            provider={"display": "old clinic"},
            priority={"text": "normal"},
            insurance=[{"sequence": 1, "focal": True, "coverage": {"display": "NHI"}}],
            total={"value": Value("129.160"), "currency": "CNY"},
        ),
    ]


def doctor_entry() -> Resource:
    """The doctor, to be entered unless the record has somebody of this number."""
    resource = {"resourceType": "Practitioner", "identifier": [{"system": STAFF, "value": "7"}], "active": True}
    request = {"method": "POST", "url": "Practitioner", "ifNoneExist": f"identifier={STAFF}|7"}
    return {"fullUrl": f"urn:uuid:{uuid('doctor-7')}", "resource": resource, "request": request}


def bundle(resources: list[Resource], *first: Resource) -> str:
    """A transaction of these entries, and of these resources, each posted under a urn."""
    entries = [
        {
            "fullUrl": f"urn:uuid:{resource['id']}",
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]},
        }
        for resource in resources
    ]
    return written({"resourceType": "Bundle", "type": "transaction", "entry": [*first, *entries]})
