"""What each kind of account sees, by every way there is of reading."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.auth.principal import Role
from kernel.database import Database, Transaction
from kernel.settings import Settings
from record.care import entrust, share
from record.failures import ResourceUnknown
from record.history import Span, history_of
from record.index import dates
from record.index.parameters import SEARCHES, Kind, parameters
from record.ownership import TypeRules, partitioned, rooms, types
from record.read import history, read, read_many, vread
from record.search.searching import search
from record.visible import DirectoryOnly, Everything, OfClinics, OnlyPatient, SharedWith, Visible, visible_to
from record.write import create, update
from tests.support.postgres import database_of
from tests.support.record import account

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
COMPARTMENT = [rules for rules in partitioned() if rules.compartment]


def belonging(type_: str, patient: str) -> dict[str, Any]:
    """A resource of a patient's compartment, as bare as it may be, that points at the patient."""
    who = {"reference": f"Patient/{patient}"}
    match type_:
        case "Patient":
            return {"resourceType": "Patient", "name": [{"text": f"隐私 {patient}"}], "birthDate": "1980-01-01"}
        case "Appointment":
            return {"resourceType": type_, "status": "proposed", "participant": [{"actor": who, "status": "accepted"}]}
        case "Provenance":
            return {"resourceType": type_, "target": [who], "recorded": "2026-11-25T00:00:00Z", "agent": []}
        case "AllergyIntolerance":
            return {"resourceType": type_, "patient": who}
        case "Task":
            return {"resourceType": type_, "for": who, "focus": who, "status": "requested"}
        case _:
            return {"resourceType": type_, "subject": who}


@pytest.fixture
async def two_patients(record: Settings) -> None:
    """A resource of every compartment type, in two versions where it has versions, for ann and for bob."""
    for room in rooms():
        async with database_of(room, record, size=1) as database, database.transaction() as tx:
            for rules in (rules for rules in COMPARTMENT if rules.owner == room):
                for patient in ("ann", "bob"):
                    await _enter(tx, rules.type, patient, versions=1 if rules.append_only else 2)


async def _enter(tx: Transaction, type_: str, patient: str, *, versions: int) -> None:
    id_ = patient if type_ == "Patient" else f"of-{patient}"
    if await read_many(tx, type_, [id_], visible=Everything()):
        return
    await create(tx, belonging(type_, patient), id=id_, now=NOW, patient=patient)
    if versions > 1:
        await update(tx, belonging(type_, patient), id=id_, now=NOW, expected=1)


async def _finds(tx: Transaction, type_: str, asked: list[tuple[str, str]], visible: Visible) -> set[str | None]:
    """The patients of everything a search brings, matches and what comes along."""
    page = await search(tx, type_, [*asked, ("_count", "200")], visible=visible, now=NOW)
    assert page.next is None or not types()[type_].compartment
    return {one.patient for one in [*page.entries, *page.includes]}


def _searches(type_: str) -> list[list[tuple[str, str]]]:
    """Every parameter of the type asked about bob in every way, includes both ways, and nothing at all."""
    asked: list[list[tuple[str, str]]] = [
        [],
        [("_id", "of-bob,bob")],
        [("_lastUpdated", "ge2000")],
        [("_total", "accurate")],
    ]
    for parameter in parameters(type_).values():
        asked += [[(f"{parameter.code}:missing", flag)] for flag in ("true", "false")]
        if parameter.kind is Kind.REFERENCE:
            asked += [[(parameter.code, "Patient/bob")], [(parameter.code, "Patient/ann,Patient/bob")]]
            asked += [[("_include", f"{type_}:{parameter.code}")]]
        if parameter.kind is Kind.STRING:
            asked += [
                [(parameter.code, "隐")],
                [(f"{parameter.code}:contains", "bob")],
                [(f"{parameter.code}:exact", "隐私 bob")],
            ]
        if parameter.kind is Kind.DATE:
            asked += [[(parameter.code, "ge1900")], [(parameter.code, "lt2100")]]
        if parameter.kind in {Kind.NUMBER, Kind.QUANTITY}:
            asked += [[(parameter.code, "ne5")]]
        if parameter.kind is Kind.TOKEN:
            asked += [[(f"{parameter.code}:not", "nonsense")]]
    for other in SEARCHES:
        references = [p for p in parameters(other).values() if p.kind is Kind.REFERENCE and other != "AuditEvent"]
        pointing = [p for p in references if type_ in p.targets]
        asked += [[("_revinclude", f"{other}:{p.code}")] for p in pointing]
    return [*asked, [("_sort", "-_lastUpdated")]]


@pytest.mark.usefixtures("two_patients")
@pytest.mark.parametrize("second_wall", [True, False])
async def test_a_patient_finds_no_other_patients_row(record: Settings, second_wall: bool) -> None:
    """By no search, include, history or id does ann find a row of bob's, with the database's policies or without."""
    ann, finds_own = OnlyPatient("ann"), 0
    reader = "ann" if second_wall else None
    async with database_of("patients", record, size=1) as database, database.transaction(patient=reader) as tx:
        for rules in COMPARTMENT:
            for asked in _searches(rules.type):
                found = await _finds(tx, rules.type, asked, ann)
                assert "bob" not in found, (rules.type, asked)
                finds_own += "ann" in found
            await _finds_nothing_by_id(tx, rules.type, "bob" if rules.type == "Patient" else "of-bob", ann)
            past = await history_of(tx, [rules.type], Span(), visible=ann, until=dates.END)
            assert {one.patient for one in past.versions} - _open_to_all(rules) == {"ann"}
        for open_type in (rules.type for rules in partitioned() if not rules.compartment):
            for asked in _searches(open_type):
                assert "bob" not in await _finds(tx, open_type, asked, ann), (open_type, asked)
    assert finds_own > len(COMPARTMENT)


def _open_to_all(rules: TypeRules) -> set[str | None]:
    """Whose rows everyone sees: nobody's, where a type is open without a patient."""
    return {None} if rules.open_without_patient else set()


async def _finds_nothing_by_id(tx: Transaction, type_: str, id_: str, visible: Visible) -> None:
    assert await read_many(tx, type_, [id_], visible=visible) == []
    with pytest.raises(ResourceUnknown):
        await read(tx, type_, id_, visible=visible)
    with pytest.raises(ResourceUnknown):
        await history(tx, type_, id_, visible=visible)
    for version in (1, 2):
        with pytest.raises(ResourceUnknown):
            await vread(tx, type_, id_, version, visible=visible)


@pytest.mark.usefixtures("two_patients")
async def test_the_database_itself_hides_other_patients(record: Settings) -> None:
    """Under a patient's reader role the bare tables show the own rows alone, and let nothing be written."""
    for room in rooms():
        async with database_of(room, record, size=1) as database, database.transaction(patient="ann") as tx:
            for rules in COMPARTMENT:
                seen = await tx.raw.fetch(f"select distinct patient from {rules.partition}")  # noqa: S608 - declared name
                assert {row["patient"] for row in seen} - _open_to_all(rules) == {"ann"}, rules.type
            seen = await tx.raw.fetch("select distinct patient from record.past where type = 'Patient'")
            assert [row["patient"] for row in seen] == ["ann"]


@pytest.mark.usefixtures("two_patients")
async def test_staff_see_their_patients_and_what_was_shared(record: Settings) -> None:
    """A practitioner sees the clinic's patients, a pharmacist what was shared, an administrator no patient at all."""
    async with database_of("consult", record, size=1) as database, database.transaction() as tx:
        await entrust(tx, clinic="HealthcareService/heart", patient="ann", now=NOW)
        await entrust(tx, clinic="HealthcareService/heart", patient="ann", now=NOW)
        await share(tx, party="Organization/pharmacy", resources=[("MedicationRequest", "of-ann"), ("Patient", "ann")])
        sees: dict[Visible, set[str | None]] = {
            OfClinics(("HealthcareService/heart",)): {"ann"},
            OfClinics(("HealthcareService/skin",)): set(),
            OfClinics(()): set(),
            SharedWith("Organization/pharmacy"): {"ann"},
            SharedWith("Organization/other"): set(),
            DirectoryOnly(): set(),
            Everything(): {"ann", "bob"},
        }
        for visible, patients in sees.items():
            asked = [("patient", "Patient/ann,Patient/bob")]
            assert await _finds(tx, "MedicationRequest", asked, visible) == patients, visible
        shared = SharedWith("Organization/pharmacy")
        assert await _finds(tx, "Task", [("patient", "ann")], shared) == set()
        assert await _finds(tx, "MedicationRequest", [("_include", "MedicationRequest:patient")], shared) == {"ann"}


async def test_an_include_never_brings_a_type_the_role_does_not_read(patients: Database) -> None:
    """A pharmacist gets no observation along with a patient, even one that was shared by mistake."""
    async with patients.transaction() as tx:
        await create(tx, belonging("Patient", "carl"), id="carl", now=NOW)
        await create(tx, belonging("Observation", "carl"), id="of-carl", now=NOW)
    shared = SharedWith("Organization/mistaken")
    async with patients.transaction() as tx:
        page = await search(
            tx, "Patient", [("_id", "carl"), ("_revinclude", "Observation:patient")], visible=Everything(), now=NOW
        )
        assert [one.type for one in page.includes] == ["Observation"]
        page = await search(
            tx, "Patient", [("_id", "carl"), ("_revinclude", "Observation:patient")], visible=shared, now=NOW
        )
        assert page.includes == []


def test_each_role_sees_its_own_part() -> None:
    """What an account may see follows from its role and from nothing the client says."""
    seen = {
        Role.PATIENT: OnlyPatient("p"),
        Role.PRACTITIONER: OfClinics(("HealthcareService/1",)),
        Role.PHARMACIST: SharedWith("Organization/1"),
        Role.ADMIN: DirectoryOnly(),
        Role.SYSTEM: Everything(),
    }
    for role, visible in seen.items():
        principal = account(
            "a", role, fhir_user="Patient/p", clinics=("HealthcareService/1",), organization="Organization/1"
        )
        assert visible_to(principal) == visible
