import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from services.appointments import fhir
from services.appointments.diary import openings
from services.patients.terminology.diagnoses import ICD10, load
from yuzhen.demo_city.city import resources
from yuzhen.demo_city.codes import CHONGQING, Resource
from yuzhen.demo_city.staff import doctors
from yuzhen.seed import patterns

START = date(2026, 11, 25)


def slots_of_a_day(city: list[Resource]) -> Iterator[Resource]:
    """The slots the appointments room opens on the first day, as it writes them."""
    rows = {
        one["id"]: fhir.schedule_row(one, organization="") or {} for one in city if one["resourceType"] == "Schedule"
    }
    for opening in openings([pattern for doctor in doctors() for pattern in patterns(doctor)], START):
        row = rows[opening.schedule]
        yield fhir.slot(opening, service_type=row["service_type"], specialty=row["specialty"])


@pytest.fixture(scope="module")
def city() -> list[Resource]:
    """The city as it is seeded on an ordinary Wednesday."""
    return list(resources(START))


def elements(node: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a resource, itself included."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from elements(child)
    if isinstance(node, list):
        for child in node:
            yield from elements(child)


def referred(resource: Resource) -> list[str]:
    return [one["reference"] for one in elements(resource) if isinstance(one.get("reference"), str)]


def name_of(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def test_the_city_has_the_size_that_was_asked_for(city: list[Resource]) -> None:
    """Three hospitals, five pharmacies, a dozen departments, sixty doctors with five pharmacists, 200 patients."""
    kinds = Counter(resource["resourceType"] for resource in city)
    assert kinds["Organization"] == 3 + 5
    assert kinds["HealthcareService"] == 12
    assert kinds["Location"] == 12 + 5
    assert kinds["Practitioner"] == kinds["PractitionerRole"] == 60 + 5
    assert kinds["Schedule"] == 60
    assert kinds["Patient"] == 200
    assert 60 <= kinds["DocumentReference"] == kinds["Condition"] <= 75
    assert kinds["AllergyIntolerance"] >= 15


def test_every_resource_fits_its_r4_model(city: list[Resource]) -> None:
    """Each resource, and a day of slots, passes the FHIR model of its type."""
    slots = list(slots_of_a_day(city))
    for resource in [*city, *slots]:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))


def test_ids_are_legal_and_given_once(city: list[Resource]) -> None:
    """No two resources share a name, and every id is one FHIR allows."""
    names = [name_of(resource) for resource in city]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", resource["id"]) for resource in city)
    assert {"Organization/hospital-1", "HealthcareService/dept-internet-followup", "Practitioner/doctor-001"} <= {
        *names
    }
    assert {"PractitionerRole/role-doctor-001", "Patient/patient-001", "Schedule/schedule-doctor-001"} <= {*names}


def test_each_resource_comes_after_what_it_refers_to(city: list[Resource]) -> None:
    """Seeded in order, no reference ever points at something that is not there yet."""
    seen: set[str] = set()
    for resource in city:
        assert set(referred(resource)) <= seen, name_of(resource)
        seen.add(name_of(resource))


def test_every_slot_refers_to_a_schedule_of_the_city(city: list[Resource]) -> None:
    """A slot's schedule is one of the sixty."""
    schedules = {name_of(resource) for resource in city if resource["resourceType"] == "Schedule"}
    slots = list(slots_of_a_day(city))
    assert len(slots) > 500
    assert {name for slot in slots for name in referred(slot)} <= schedules


def test_two_builds_are_equal(city: list[Resource]) -> None:
    """The city is the same at every call, to the last byte."""
    assert json.dumps(list(resources(START))) == json.dumps(city)


def test_people_and_places_do_not_depend_on_the_start_day(city: list[Resource]) -> None:
    """Built on another day, only the dates of schedules and of what came before differ."""
    dated = {"Schedule", "DocumentReference", "Condition", "AllergyIntolerance"}
    later = list(resources(date(2028, 2, 29)))
    assert [name_of(resource) for resource in later] == [name_of(resource) for resource in city]
    assert [r for r in later if r["resourceType"] not in dated] == [r for r in city if r["resourceType"] not in dated]


def test_every_chongqing_code_stands_in_its_code_system(city: list[Resource]) -> None:
    """Each code of Chongqing's systems exists there under the display that is shown."""
    known = set()
    for file in files("record.codes.chongqing").iterdir():
        if file.name.endswith(".json"):
            system = json.loads(file.read_text(encoding="utf-8"))
            known |= {(system["url"], one["code"], one["display"]) for one in system["concept"]}
    used = {
        (one["system"], one["code"], one["display"])
        for resource in city
        for one in elements(resource)
        if "code" in one and str(one.get("system")).startswith(CHONGQING)
    }
    assert len({system for system, _, _ in used}) >= 8
    assert used <= known


def test_every_diagnosis_stands_in_the_terminology(city: list[Resource]) -> None:
    """Each ICD-10 code is one the platform can look up, under its Chinese name."""
    used = {
        (one["code"], one["display"]) for resource in city for one in elements(resource) if one.get("system") == ICD10
    }
    assert len(used) >= 8
    assert used <= {(one.code, one.display_zh) for one in load().values()}
