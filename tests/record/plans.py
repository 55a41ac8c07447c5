"""The kinds of search there are, and how PostgreSQL would run each."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from kernel.database import Database
from kernel.settings import Settings
from record.care import entrust
from record.index.parameters import SEARCHES
from record.search.pages import page_statement, parts
from record.search.query import parse
from record.visible import Everything, OfClinics, OnlyPatient, Visible
from tests.record import crowd
from tests.support.postgres import connect_as, database_of

SIDES = ("timeline", "word", "moment", "number")
CLINIC = "HealthcareService/crowd"
ALL, OWN, CARE = Everything(), OnlyPatient("crowd-7"), OfClinics((CLINIC,))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of search: who asks what, and a part of the plan that must be in it."""

    visible: Visible
    type: str
    asked: str
    index: str


KINDS = (
    Kind(ALL, "Slot", "schedule=Schedule/crowd-3&status=free&start=ge2026-11-25", "timeline_pkey"),
    Kind(ALL, "Slot", "schedule=Schedule/crowd-3&start=ge2026-11-25&start=lt2026-11-26", "timeline_pkey"),
    Kind(ALL, "Slot", "schedule=crowd-3,crowd-4&status=free", "slot_keys_idx"),
    Kind(ALL, "Slot", "status=free&start=ge2026-11-25", "slot_lo_id_idx"),
    Kind(ALL, "Slot", "status=free", "slot_lo_id_idx"),
    Kind(ALL, "Appointment", "practitioner=crowd-3&date=2026-11-25", "timeline_pkey"),
    Kind(ALL, "Appointment", "practitioner=crowd-3&_sort=-date", "timeline_pkey"),
    Kind(ALL, "Appointment", "patient=Patient/crowd-7&date=ge2026-11-25", "timeline_pkey"),
    Kind(ALL, "Appointment", "identifier=urn:crowd|77", "appointment_keys_idx"),
    Kind(ALL, "Appointment", "actor=Practitioner/crowd-3", "appointment_keys_idx"),
    Kind(ALL, "Appointment", "slot=crowd-slot-5", "appointment_keys_idx"),
    Kind(ALL, "Appointment", "status=booked&_sort=-date", "appointment_lo_id_idx"),
    Kind(ALL, "Appointment", "status:not=booked", "appointment_lo_id_idx"),
    Kind(ALL, "Appointment", "patient:missing=false", "appointment_lo_id_idx"),
    Kind(ALL, "Appointment", "_lastUpdated=ge2026-11-24&_sort=_lastUpdated", "appointment_updated_at_id_idx"),
    Kind(ALL, "Appointment", "_sort=-_lastUpdated", "appointment_updated_at_id_idx"),
    Kind(ALL, "Appointment", "_id=crowd-app-3,crowd-app-4", "appointment_pkey"),
    Kind(OWN, "Appointment", "", "appointment_patient_lo_id_idx"),
    Kind(OWN, "Appointment", "status=booked", "appointment_patient_lo_id_idx"),
    Kind(OWN, "Appointment", "practitioner=crowd-7", "appointment_"),
    Kind(OWN, "Slot", "schedule=Schedule/crowd-3&status=free", "timeline_pkey"),
    Kind(CARE, "Appointment", "practitioner=crowd-3&date=2026-11-25", "timeline_pkey"),
    Kind(CARE, "Appointment", "date=2026-11-25", "appointment_"),
    Kind(ALL, "Patient", "name=张伟1", "word_type_place_value_id_idx"),
    Kind(ALL, "Patient", "name:exact=张伟0", "word_type_place_value_id_idx"),
    Kind(ALL, "Patient", "name:contains=芳123", "word_"),
    Kind(ALL, "Patient", "birthdate=1950-03", "patient_lo_id_idx"),
    Kind(ALL, "Patient", "identifier=urn:crowd:id|id-5", "patient_keys_idx"),
    Kind(CARE, "Patient", "name=张", "patient_pkey"),
    Kind(OWN, "Patient", "", "patient_"),
    Kind(ALL, "Patient", "death-date=2003", "moment_type_place_lo_id_idx"),
    Kind(ALL, "Observation", "code-value-quantity=http://loinc.org|8867-4$gt198", "number_type_place_code_lo_id_idx"),
    Kind(ALL, "Observation", "component-code-value-quantity=8480-6$199", "number_type_place_code_lo_id_idx"),
    Kind(ALL, "Observation", "patient=crowd-7&code-value-quantity=8867-4$gt90", "timeline_pkey"),
    Kind(ALL, "Observation", "patient=crowd-7&code-value-quantity=8867-4$gt90", "number_type_id_idx"),
    Kind(ALL, "Observation", "patient=crowd-7&_sort=-value-quantity,date", "observation_keys_idx"),
    Kind(OWN, "Observation", "value-quantity=gt100", "number_type_id_idx"),
    Kind(CARE, "Observation", "code-value-quantity=8867-4$gt198", "number_type_place_code_lo_id_idx"),
    Kind(ALL, "Appointment", "patient.name=张伟1", "appointment_keys_idx"),
    Kind(ALL, "Appointment", "patient.name=张伟1", "word_type_place_value_id_idx"),
    Kind(ALL, "Appointment", "patient:Patient.identifier=urn:crowd:id|id-5&_sort=-date", "patient_keys_idx"),
    Kind(ALL, "Appointment", "practitioner=crowd-3&patient.name=张伟1", "timeline_pkey"),
    Kind(CARE, "Appointment", "patient.name=张伟1", "appointment_keys_idx"),
    Kind(OWN, "Appointment", "patient.name=张伟1", "appointment_patient_lo_id_idx"),
    Kind(ALL, "Observation", "subject:Patient._has:Appointment:patient:identifier=urn:crowd|7", "observation_keys_idx"),
    Kind(ALL, "Patient", "_has:Appointment:patient:identifier=urn:crowd|77", "appointment_keys_idx"),
    Kind(ALL, "Patient", "_has:Observation:patient:code-value-quantity=8867-4$gt198", "patient_pkey"),
    Kind(ALL, "Slot", "_has:Appointment:slot:identifier=urn:crowd|77", "slot_pkey"),
    Kind(ALL, "Patient", "name=张伟&_has:Appointment:patient:practitioner=crowd-3", "word_type_place_value_id_idx"),
    Kind(ALL, "Patient", "name=张伟&_has:Appointment:patient:practitioner=crowd-3", "hashed SubPlan"),
    Kind(ALL, "Appointment", "practitioner=crowd-3&patient.name=张伟1", "hashed SubPlan"),
    Kind(ALL, "Patient", "_sort=name", "word_type_place_value_id_idx"),
    Kind(ALL, "Patient", "_sort=-name", "word_type_place_value_id_idx"),
    Kind(ALL, "Patient", "name=张伟1&_sort=-birthdate,gender", "word_type_place_value_id_idx"),
    Kind(ALL, "Appointment", "practitioner=crowd-3&_sort=status,-date", "appointment_keys_idx"),
    Kind(ALL, "Appointment", "practitioner=crowd-3&_sort=date", "timeline_pkey"),
    Kind(ALL, "Appointment", "_sort=_id", "appointment_pkey"),
)


async def check_plans(settings: Settings, *, rows: int) -> list[str]:
    """What is wrong with the plans over a crowd of this size: each fault with its plan."""
    async with (
        database_of("appointments", settings) as appointments,
        database_of("patients", settings) as patients,
    ):
        await _crowd(settings, appointments, patients, rows)
        faults = []
        for kind in KINDS:
            for mode in ("auto", "force_generic_plan"):
                faults += await _faults(appointments, kind, mode)
        return faults


async def _crowd(settings: Settings, appointments: Database, patients: Database, rows: int) -> None:
    await crowd.enter(appointments, crowd.slots(rows))
    await crowd.enter(appointments, crowd.appointments(rows))
    await crowd.enter(patients, crowd.people(rows // 2))
    await crowd.enter(patients, crowd.observations(rows // 2))
    async with appointments.transaction() as tx:
        for n in range(300):
            await entrust(tx, clinic=CLINIC, patient=f"crowd-{n}", now=crowd.DAY)
    # The server does the same by itself within a minute of such a load.
    owner = await connect_as("yuzhen_owner", settings)
    await owner.execute("vacuum analyze")
    await owner.close()


async def _faults(database: Database, kind: Kind, mode: str) -> list[str]:
    asked = parse(kind.type, parse_qsl(kind.asked), now=crowd.DAY)
    statement, arguments = page_statement(asked, kind.visible, part=parts(asked, kind.visible, None)[0])
    patient = kind.visible.patient if isinstance(kind.visible, OnlyPatient) else None
    async with database.transaction(patient=patient) as tx:
        await tx.raw.execute(f"set local plan_cache_mode = {mode}")
        plan = await crowd.plan(tx, statement, arguments)
    scanned = [name for name in (*(type_.lower() for type_ in SEARCHES), *SIDES) if f"Seq Scan on {name} " in plan]
    if scanned or kind.index not in plan:
        return [f"{kind.type}?{kind.asked} as {kind.visible} ({mode}) reads {scanned}, wants {kind.index}:\n{plan}"]
    return []
