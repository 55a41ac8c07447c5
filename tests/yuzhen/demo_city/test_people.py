import re
from base64 import b64decode
from datetime import date

from stdnum.cn import ric

from services.patients.terminology.diagnoses import category
from services.pharmacy.formulary.medicines import load, unfit_for_online
from yuzhen.demo_city.accounts import AccountRole, accounts
from yuzhen.demo_city.city import resources
from yuzhen.demo_city.codes import RESIDENT_IDENTITY, Resource
from yuzhen.demo_city.departments import DEPARTMENTS
from yuzhen.demo_city.history import ILLNESSES, allergy_resources, document_resource, note, prior_visits
from yuzhen.demo_city.hospitals import PHARMACIES
from yuzhen.demo_city.patients import DISTRICTS, patient_resource, patients
from yuzhen.demo_city.staff import doctors, pharmacists, practitioner_resource

START = date(2026, 11, 25)


def prior_record(patient_id: str) -> Resource:
    [found] = [document_resource(visit) for visit in prior_visits(START) if visit.patient.id == patient_id]
    return found


def test_identity_numbers_are_valid_and_unique() -> None:
    """Each number has an area of its birth year and the right check character, and belongs to one patient."""
    numbers = [patient.identity_number for patient in patients()]
    assert len(set(numbers)) == 200
    for number in numbers:
        ric.validate(number)


def test_an_identity_number_tells_birth_and_sex() -> None:
    """The number agrees with the birth date and, by its seventeenth digit, with the gender."""
    for patient in patients():
        assert patient.identity_number[6:14] == f"{patient.birth_date:%Y%m%d}"
        assert (int(patient.identity_number[16]) % 2 == 1) is (patient.gender == "male")


def test_ages_are_plausible() -> None:
    """Nobody is older than 90, nobody is too young to sign in alone, and every generation is there."""
    born = [patient.birth_date.year for patient in patients()]
    assert min(born) >= 1936
    assert max(born) <= 2012
    assert len({year // 10 for year in born}) >= 7


def test_a_patient_is_known_by_the_identity_card() -> None:
    """The Patient carries the number under the resident identity system, with phone, district, gender, birth date."""
    for patient in patients():
        resource = patient_resource(patient)
        [identifier] = resource["identifier"]
        assert (identifier["system"], identifier["value"]) == (RESIDENT_IDENTITY, patient.identity_number)
        assert re.fullmatch(r"1[3-9]\d{9}", resource["telecom"][0]["value"])
        assert resource["address"][0]["district"] in DISTRICTS


def test_names_that_break_software_are_among_the_patients() -> None:
    """Middle dots, long surnames and characters beyond the basic plane occur, and a dotted name is never cut."""
    names = [patient_resource(patient)["name"][0] for patient in patients()]
    dotted = [name for name in names if "·" in name["text"]]
    assert len(dotted) >= 3
    assert not any("family" in name for name in dotted)
    assert sum(any(ord(character) > 0xFFFF for character in name["text"]) for name in names) >= 3
    assert any(len(name.get("family", "")) == 2 for name in names)


def test_doctors_carry_both_scripts_of_their_name() -> None:
    """Sixty different doctors, each with characters and pinyin, a licence and three years of practice (TELE-06)."""
    texts = [doctor.name.text for doctor in doctors()]
    assert len(set(texts)) == len(doctors()) == 60
    for doctor in doctors():
        characters, pinyin = practitioner_resource(doctor)["name"]
        assert characters["text"] == characters["family"] + characters["given"][0]
        assert re.fullmatch(r"[A-Zü][a-zü]+ [A-Z][a-z]+", pinyin["text"])
        assert re.fullmatch(r"\d{15}", doctor.licence)
        assert doctor.registered < date(2020, 1, 1)


def test_every_department_has_doctors_and_every_pharmacy_a_pharmacist() -> None:
    """No clinic is without a doctor and no prescription reaches a pharmacy nobody minds."""
    assert {doctor.department.id for doctor in doctors()} == {department.id for department in DEPARTMENTS}
    assert {person.pharmacy.id for person in pharmacists()} == {pharmacy.id for pharmacy in PHARMACIES}


def test_the_first_two_patients_are_ready_for_the_demonstration() -> None:
    """Patient 1 was treated for hypertension, patient 2 for diabetes, and nothing is known against any medicine."""
    for patient_id, code in (("patient-001", "I10"), ("patient-002", "E11")):
        event = prior_record(patient_id)["context"]["event"][0]["coding"][0]
        assert category(event["code"]) == code
        allergic = {one["patient"]["reference"] for one in allergy_resources(START)}
        assert f"Patient/{patient_id}" not in allergic


def test_a_prior_record_is_a_readable_note_of_a_physical_hospital() -> None:
    """The attachment decodes to the note, names the diagnosis and its medicines, and its size is right."""
    visit = next(prior_visits(START))
    record = document_resource(visit)
    attachment = record["content"][0]["attachment"]
    text = b64decode(attachment["data"]).decode()
    assert text == note(visit)
    assert "（I10）" in text
    assert "苯磺酸氨氯地平片，每次5 mg，每日1次" in text
    assert attachment["size"] == len(text.encode())
    assert record["context"]["related"] == [{"reference": "Condition/condition-patient-001"}]


def test_prior_visits_lie_in_the_past_on_open_days_and_not_online() -> None:
    """Each earlier visit was on a weekday of the half year before, at a department that sees patients in person."""
    for visit in prior_visits(START):
        assert 14 <= (START - visit.day).days <= 180
        assert visit.day.weekday() < 5
        assert not visit.doctor.department.is_always_open


def test_every_usual_medicine_can_be_ordered_online() -> None:
    """What the prior notes prescribe is in the formulary, taken so many times a day, and nothing keeps it offline."""
    for illness in ILLNESSES:
        for id in illness.medicines:
            assert unfit_for_online(load()[id]) is None
            assert load()[id].usual_frequency.endswith("/d")


def test_everybody_has_one_account() -> None:
    """Sixty doctors, five pharmacists, two hundred patients and one administrator, each under a login of their own."""
    everyone = list(accounts())
    logins = [account.login for account in everyone]
    assert len(set(logins)) == len(everyone) == 60 + 5 + 200 + 1
    assert {"doctor-001", "doctor-060", "pharmacist-001", "patient-200", "admin"} <= set(logins)


def test_an_account_leads_to_its_person_and_place() -> None:
    """References are in the city; doctors have clinic and hospital, pharmacists a pharmacy, patients neither."""
    known = {f"{resource['resourceType']}/{resource['id']}" for resource in resources(START)}
    for account in accounts():
        assert account.role is AccountRole.ADMIN or account.reference in known
        assert all(f"HealthcareService/{clinic}" in known for clinic in account.clinics)
        assert account.organization is None or f"Organization/{account.organization}" in known
        assert bool(account.clinics) is (account.role is AccountRole.PRACTITIONER)
        assert (account.organization is not None) is (
            account.role in (AccountRole.PRACTITIONER, AccountRole.PHARMACIST)
        )
