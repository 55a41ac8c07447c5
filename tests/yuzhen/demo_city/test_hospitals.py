import re

import pytest
from stdnum.cn import uscc

from yuzhen.demo_city.codes import CHONGQING, Resource
from yuzhen.demo_city.departments import DEPARTMENTS, location_resource, service_resource
from yuzhen.demo_city.hospitals import HOSPITALS, PHARMACIES, Hospital, hospital_resource, pharmacy_resource


def identifier(resource: Resource, kind: str) -> Resource:
    [found] = [one for one in resource["identifier"] if one["type"]["coding"][0]["code"] == kind]
    return dict(found)


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_a_hospital_is_coded_as_the_guide_asks(hospital: Hospital) -> None:
    """All extensions the hospital profile requires are there once, and the postal code is Chongqing's."""
    resource = hospital_resource(hospital)
    names = sorted(one["url"].removeprefix(f"{CHONGQING}/StructureDefinition/") for one in resource["extension"])
    assert names == [
        "hc-mdm-administrativedivision",
        "hc-mdm-economicindustryclassification",
        "hc-mdm-healthcareinstitutionstype",
        "hc-mdm-hospitallevel",
        "hc-mdm-hospitalmanagementype",
        "hc-mdm-operatingstatus",
        "hc-mdm-streetdivision",
    ]
    assert re.fullmatch(r"40\d{4}", resource["address"][0]["postalCode"])
    assert resource["meta"]["profile"] == ["http://fhir.cq.hc/StructureDefinition/hc-healthcare-organization"]


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_a_hospital_has_a_sound_credit_code_and_a_dated_licence(hospital: Hospital) -> None:
    """The credit code's check character is right, and the licence says from when to when."""
    resource = hospital_resource(hospital)
    assert uscc.is_valid(identifier(resource, "USCC")["value"])
    licence = identifier(resource, "MIPLRN")
    assert re.fullmatch(r"[0-9A-Z-]+", licence["value"])
    assert licence["period"]["start"] < licence["period"]["end"]


def test_hospitals_stand_in_three_districts() -> None:
    """Each hospital is in a district of its own, and its street belongs to that district."""
    districts = [hospital.site.district for hospital in HOSPITALS]
    assert len(set(districts)) == 3
    for site in [one.site for one in (*HOSPITALS, *PHARMACIES)]:
        assert site.street[0].startswith(site.district[0])


def test_pharmacies_are_known_as_such() -> None:
    """All carry the pharmacy code; hospital ones are part of their hospital, retail ones have a credit code."""
    resources = [pharmacy_resource(pharmacy) for pharmacy in PHARMACIES]
    assert {resource["type"][0]["coding"][0]["code"] for resource in resources} == {"PHARM"}
    part_of = [resource["partOf"]["reference"] for resource in resources if "partOf" in resource]
    assert part_of == [f"Organization/{hospital.id}" for hospital in HOSPITALS]
    retail = [resource for resource in resources if "partOf" not in resource]
    assert len(retail) == 2
    assert all(uscc.is_valid(identifier(resource, "USCC")["value"]) for resource in retail)


def test_a_department_is_in_its_hospitals_district() -> None:
    """A search for places of a district finds the departments of the hospital that stands there."""
    districts = {hospital.id: hospital.site.district[1] for hospital in HOSPITALS}
    for department in DEPARTMENTS:
        location = location_resource(department)
        assert location["address"]["district"] == districts[department.hospital_id]
        assert location["managingOrganization"]["reference"] == f"Organization/{department.hospital_id}"


def test_a_department_has_both_names() -> None:
    """The name is Chinese; its English translation rides in the standard extension."""
    service = service_resource(DEPARTMENTS[1])
    [extension] = service["_name"]["extension"]
    assert service["name"] == "心血管内科"
    assert extension["url"] == "http://hl7.org/fhir/StructureDefinition/translation"
    assert {"url": "content", "valueString": "Cardiology"} in extension["extension"]


def test_only_the_internet_clinic_never_closes() -> None:
    """One department says it is open all day on all seven days; the others state their hours."""
    open_all_day = [d.id for d in DEPARTMENTS if service_resource(d)["availableTime"][0].get("allDay")]
    assert open_all_day == ["dept-internet-followup"]
    assert len(service_resource(DEPARTMENTS[0])["availableTime"][0]["daysOfWeek"]) == 7
