"""The whole demonstration city as FHIR resources, each after everything it refers to."""

from collections.abc import Iterator
from datetime import date

from yuzhen.demo_city.codes import Resource
from yuzhen.demo_city.departments import (
    DEPARTMENTS,
    location_resource,
    pharmacy_location_resource,
    service_resource,
)
from yuzhen.demo_city.history import allergy_resources, condition_resource, document_resource, prior_visits
from yuzhen.demo_city.hospitals import HOSPITALS, PHARMACIES, hospital_resource, pharmacy_resource
from yuzhen.demo_city.patients import patient_resource, patients
from yuzhen.demo_city.rota import schedule_resource
from yuzhen.demo_city.staff import (
    doctor_role_resource,
    doctors,
    pharmacist_role_resource,
    pharmacists,
    practitioner_resource,
    staff,
)


def resources(start: date, days: int = 14) -> Iterator[Resource]:
    """Everything but slots and medicines, as it stands on the start day with schedules open for so many days.

    Slots come day by day from `rota.slots_for`.
    """
    yield from directory()
    yield from people(start)
    yield from (schedule_resource(doctor, start, days) for doctor in doctors())


def directory() -> Iterator[Resource]:
    """Hospitals, pharmacies, departments and who works there."""
    yield from map(hospital_resource, HOSPITALS)
    yield from map(pharmacy_resource, PHARMACIES)
    yield from map(location_resource, DEPARTMENTS)
    yield from map(pharmacy_location_resource, PHARMACIES)
    yield from map(service_resource, DEPARTMENTS)
    yield from map(practitioner_resource, staff())
    yield from map(doctor_role_resource, doctors())
    yield from map(pharmacist_role_resource, pharmacists())


def people(start: date) -> Iterator[Resource]:
    """The patients and what is known of them on the start day."""
    yield from map(patient_resource, patients())
    for visit in prior_visits(start):
        yield condition_resource(visit)
        yield document_resource(visit)
    yield from allergy_resources(start)
