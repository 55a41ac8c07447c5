"""One visit from sign-in to dispensed medicine, walked in browser windows through the real client."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser

from tests.journeys.browser import Window
from tests.journeys.people import DoctorAtTheDesk, PatientAtHome, PharmacistAtTheDesk
from tests.support.platform import Platform
from yuzhen.demo_city.departments import DEPARTMENTS
from yuzhen.demo_city.history import HYPERTENSION, prior_visits
from yuzhen.demo_city.hospitals import hospital
from yuzhen.demo_city.staff import doctors, pharmacists

pytestmark = pytest.mark.browser

TERMS = "http://terminology.hl7.org/CodeSystem"
CLINIC = next(one for one in DEPARTMENTS if one.is_always_open)
HOSPITAL = hospital(CLINIC.hospital_id)
PATIENTS = [v.patient for v in prior_visits(date(2025, 1, 1)) if v.illness is HYPERTENSION]
REVIEWER = next(one for one in pharmacists() if one.pharmacy.hospital_id == HOSPITAL.id)
DISPENSER = next(one for one in pharmacists() if one.pharmacy.hospital_id is None)


@pytest.fixture
def window(browser: Browser, platform: Platform) -> Iterator[Callable[[str], Window]]:
    """Opens a person's own window, in the person's language; at the end nobody may have had reason to complain."""
    opened: list[Window] = []

    def open_window(language: str) -> Window:
        opened.append(Window(browser, platform.address, language))
        return opened[-1]

    yield open_window
    complaints = [words for one in opened for words in one.complaints]
    for one in opened:
        one.page.context.close()
    assert not complaints


def test_one_visit_in_three_windows(window: Callable[[str], Window], platform: Platform) -> None:
    """Patient, doctor and pharmacists come from finding a doctor to the closed order, each in a window of their own."""
    patient, doctor = PatientAtHome(window("zh-CN")), DoctorAtTheDesk(window("zh-CN"))
    pharmacist = PharmacistAtTheDesk(window("zh-CN"))

    patient.signs_in(PATIENTS[1].id, platform.password)
    patient.can_use_this_page()
    patient.finds_a_doctor(district=HOSPITAL.site.district[1], hospital=HOSPITAL.name_zh, department=CLINIC.name_zh)
    patient.can_use_this_page("patient-booking")
    doctors_name = patient.holds_the_next_time()
    patient.can_use_this_page()
    appointment = patient.books_with_the_record_of("高血压", comment="最近血压平稳，药快吃完了。")
    patient.checks_in(appointment)
    patient.turns_to_large_print("patient-large-print")
    patient.can_use_this_page()

    note_an_allergy(platform, PATIENTS[1].id, "青霉素", by=login_of(doctors_name))
    doctor.signs_in(login_of(doctors_name), platform.password)
    doctor.can_use_this_page()
    doctor.calls_the_next_patient(appointment, named=PATIENTS[1].name.text)
    patient.is_called(by=doctors_name)
    doctor.can_use_this_page()
    patient.can_use_this_page("patient-is-called")

    patient.enters_the_room()
    doctor.enters_the_room(appointment)
    patient.sees_and_hears_the_other()
    doctor.sees_and_hears_the_other()
    doctor.mutes()
    patient.hears_nothing()
    doctor.unmutes()
    patient.says("医生您好，最近血压平稳。")
    doctor.reads("医生您好，最近血压平稳。")
    doctor.says("您好，我看了您以前的记录。")
    patient.reads("您好，我看了您以前的记录。")
    patient.can_use_this_page("patient-room")

    patient.comes_back_after_a_reload()
    patient.sees_and_hears_the_other()
    doctor.sees_and_hears_the_other()
    doctor.can_use_this_page("doctor-room")

    doctor.reads_what_the_patient_wants_to_say("最近血压平稳，药快吃完了。")
    doctor.confirms_the_follow_up(of="高血压")
    doctor.records_the_diagnosis(HYPERTENSION.code)
    doctor.prescribes("氨氯地平", days=7)
    doctor.prescribes("厄贝沙坦", days=7)
    doctor.can_use_this_page("doctor-desk")
    doctor.reads_what_is_to_be_signed()
    doctor.can_use_this_page()
    order = doctor.signs(platform.password)
    doctor.sees_the_order("待审核")
    doctor.ends_the_visit()
    doctor.can_use_this_page()
    patient.goes_to_the_prescriptions()
    patient.sees_the_order(order, "待审核")

    pharmacist.signs_in(REVIEWER.id, platform.password)
    pharmacist.opens(order, to="review")
    pharmacist.reads_the_strengths(HOSPITAL.name_zh, "5 mg", "150 mg")
    pharmacist.reads_the_allergies("青霉素")
    pharmacist.can_use_this_page("pharmacist-review")
    pharmacist.approves()
    pharmacist.signs_out()
    patient.sees_the_order(order, "审核通过")
    patient.can_use_this_page()
    code = patient.chooses(DISPENSER.pharmacy.id, order)
    patient.can_use_this_page()

    pharmacist.signs_in(DISPENSER.id, platform.password)
    pharmacist.opens(order, to="desk")
    pharmacist.can_use_this_page()
    pharmacist.claims_with(code)
    patient.sees_the_order(order, "药店配药中")
    pharmacist.can_use_this_page("pharmacy-desk")
    pharmacist.hands_out_everything()
    pharmacist.closes_the_order()
    pharmacist.can_use_this_page()
    patient.sees_the_order(order, "已完成")
    patient.can_use_this_page()


def test_booking_in_english(window: Callable[[str], Window], platform: Platform) -> None:
    """A patient whose browser speaks English finds, holds and books a visit on English pages."""
    patient = PatientAtHome(window("en-US"))
    patient.signs_in(PATIENTS[2].id, platform.password)
    patient.finds_a_doctor(district=HOSPITAL.site.district[1], hospital=HOSPITAL.name_en, department=CLINIC.name_en)
    patient.can_use_this_page()
    patient.holds_the_next_time()
    patient.can_use_this_page()
    appointment = patient.books_with_the_record_of("hypertension", comment="My pressure is steady.")
    patient.sees_the_visit(appointment, "Booked")
    patient.can_use_this_page()


def test_live_words_come_back_after_the_connection_was_lost(
    window: Callable[[str], Window], platform: Platform
) -> None:
    """The gateway dies while a patient waits: the page finds it again by itself and still hears the doctor's call."""
    patient, doctor = PatientAtHome(window("zh-CN")), DoctorAtTheDesk(window("zh-CN"))
    patient.signs_in(PATIENTS[3].id, platform.password)
    patient.finds_a_doctor(district=HOSPITAL.site.district[1], hospital=HOSPITAL.name_zh, department=CLINIC.name_zh)
    doctors_name = patient.holds_the_next_time()
    appointment = patient.books_with_the_record_of("高血压", comment="")
    patient.checks_in(appointment)

    with patient.window.finding_back():
        platform.kill("gateway")
    doctor.signs_in(login_of(doctors_name), platform.password)
    doctor.calls_the_next_patient(appointment, named=PATIENTS[3].name.text)
    patient.is_called(by=doctors_name)
    patient.can_use_this_page()


def note_an_allergy(platform: Platform, patient: str, substance: str, *, by: str) -> None:
    """A doctor who has the patient in care enters what must not be given."""
    body = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": f"{TERMS}/allergyintolerance-clinical", "code": "active"}]},
        "code": {"text": substance},
        "patient": {"reference": f"Patient/{patient}"},
    }
    headers = {"Authorization": f"Bearer {platform.token(by)}", "Content-Type": "application/fhir+json"}
    url = f"{platform.address}/fhir/AllergyIntolerance"
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:  # noqa: S310 - our own address
        assert answer.status == 201


def login_of(name: str) -> str:
    """The demo login of a doctor of the clinic."""
    return next(one.id for one in doctors() if one.name.text == name)
