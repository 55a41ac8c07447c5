"""From finding a doctor to being called into the room."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from yuzhen.demo import api
from yuzhen.demo.api import Person, Resource, every, only, out, reference
from yuzhen.demo.visit import StepFailed, Visit, eventually, refused


async def sign_in(visit: Visit) -> str:
    """The patient signs in."""
    patient = await visit.person("patient", "patient-001")
    return f"{patient.reference}"


async def find(visit: Visit) -> str:
    """The patient finds a doctor by hospital, department and district, and sees free times."""
    patient = visit.people["patient"]
    hospital = await _hospital_with_video(visit)
    services = await patient.get("/fhir/HealthcareService", organization=f"Organization/{hospital['id']}")
    clinic = next(s for s in every(services) if s["id"] == "dept-internet-followup")
    roles = await patient.get(
        "/fhir/PractitionerRole",
        organization=f"Organization/{hospital['id']}",
        service=f"HealthcareService/{clinic['id']}",
        _include="PractitionerRole:practitioner",
    )
    doctors = [r for r in every(roles) if r["resourceType"] == "Practitioner"]
    now = visit.clock.now()
    bundle = await patient.get(
        "/fhir/Appointment/$find",
        start=now.isoformat(timespec="seconds"),
        end=(now + timedelta(minutes=60)).isoformat(timespec="seconds"),
        service=f"HealthcareService/{clinic['id']}",
        _count="50",
    )
    times = every(bundle)
    if not times or not doctors:
        raise StepFailed("no free time of the 24-hour clinic within the next hour: see the log of appointments")
    visit.resources["proposal"] = times[0]
    return f"{len(doctors)} doctors, {len(times)} free times, first {times[0]['start'][11:16]}"


async def _hospital_with_video(visit: Visit) -> Resource:
    patient = visit.people["patient"]
    hospital = await patient.get("/fhir/Organization/hospital-1")
    district = next(e for e in hospital["extension"] if e["url"].endswith("administrativedivision"))["valueCoding"]
    found = every(await patient.get("/fhir/Organization", district=district["code"]))
    if hospital["id"] not in {one["id"] for one in found}:
        raise StepFailed("the hospital is not found by its district")
    return dict(hospital)


async def hold(visit: Visit) -> str:
    """The patient holds the time; meanwhile nobody else gets it."""
    patient = visit.people["patient"]
    wanted = reference(f"Appointment/{visit.resources['proposal']['id']}")
    held = only(await patient.operate("/fhir/Appointment/$hold", appointment_reference=wanted))
    other = await visit.person("stranger", "patient-003")
    await refused(other.operate("/fhir/Appointment/$hold", appointment_reference=wanted), status=(404,))
    visit.ids["Appointment"] = held["id"]
    until = next(e["valueInstant"] for e in held["extension"] if e["url"].endswith("hold-expires"))
    return f"kept until {until[11:19]}"


async def book(visit: Visit) -> str:
    """The patient books it as a video visit, with the record of the earlier diagnosis."""
    patient = visit.people["patient"]
    documents = every(await patient.get("/fhir/DocumentReference", patient=patient.reference))
    booked = only(
        await patient.operate(
            "/fhir/Appointment/$book",
            appointment_reference=reference(f"Appointment/{visit.ids['Appointment']}"),
            visit_type=api.code("VR"),
            prior_diagnosis=reference(f"DocumentReference/{documents[0]['id']}"),
        )
    )
    visit.ids["Appointment"] = booked["id"]
    visit.resources["document"] = documents[0]
    actors = [p["actor"]["reference"] for p in booked["participant"]]
    visit.resources["practitioner"] = next(a for a in actors if a.startswith("Practitioner/"))
    note = await eventually(lambda: _confirmation(visit))
    visit.ids["Communication (confirmation)"] = note["id"]
    return f"{booked['status']}, confirmation received"


async def _confirmation(visit: Visit) -> Resource | None:
    notes = await visit.people["patient"].get(
        "/fhir/Communication", patient=visit.people["patient"].reference, _sort="-sent"
    )
    about = f"Appointment/{visit.ids['Appointment']}"
    return next((n for n in every(notes) if about in {a.get("reference") for a in n.get("about", [])}), None)


async def check_in(visit: Visit) -> str:
    """The patient checks in and sees the place in the queue."""
    patient = visit.people["patient"]
    await patient.operate(f"/fhir/Appointment/{visit.ids['Appointment']}/$check-in")
    status = await patient.get(f"/fhir/Appointment/{visit.ids['Appointment']}/$queue-status")
    return f"number {out(status, 'number')}, {out(status, 'ahead')} ahead"


async def call(visit: Visit) -> str:
    """The doctor calls the next patient, and the patient is told at once."""
    doctor = await visit.person("doctor", visit.doctor_of(visit.resources["practitioner"]))
    slot = await doctor.get(f"/fhir/{visit.resources['proposal']['slot'][0]['reference']}")
    schedule = slot["schedule"]["reference"]
    async with _listening(visit, visit.people["patient"]) as words:
        hearing = asyncio.create_task(_hear(words, f"Appointment/{visit.ids['Appointment']}"))
        answered = await _call_until_ours(doctor, schedule, visit.ids["Appointment"])
        heard = await asyncio.wait_for(hearing, 10)
    encounter = await eventually(lambda: _encounter(visit))
    visit.ids["Encounter"] = encounter["id"]
    return f"the patient heard it {(heard - answered) * 1000:+.0f} ms after the doctor's own answer"


async def _call_until_ours(doctor: Person, schedule: str, appointment: str) -> float:
    """Call, and say when; whoever is left over from an earlier, broken-off run has missed the turn."""
    for _ in range(50):
        waiting = every(await doctor.get(f"/fhir/{schedule}/$queue"))
        called = [one for one in waiting if _ticket_state(one) == "called"]
        if called and called[0]["id"] == appointment:
            return time.perf_counter()
        for one in called:
            await doctor.operate(f"/fhir/Appointment/{one['id']}/$skip")
        answer = every(await doctor.operate(f"/fhir/{schedule}/$call-next"))
        if answer and answer[0]["id"] == appointment:
            return time.perf_counter()
        if not answer:
            break
    raise StepFailed("the patient never reached the head of the queue: see the log of appointments")


def _ticket_state(appointment: Resource) -> str:
    ticket: Resource = next((e for e in appointment.get("extension", []) if e["url"].endswith("/ticket")), {})
    return next((str(e["valueCode"]) for e in ticket.get("extension", []) if e["url"] == "state"), "")


async def _encounter(visit: Visit) -> Resource | None:
    about = f"Appointment/{visit.ids['Appointment']}"
    found = every(await visit.people["patient"].get("/fhir/Encounter", appointment=about))
    return found[0] if found else None


@asynccontextmanager
async def _listening(visit: Visit, person: Person) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with visit.http.ws_connect(f"{visit.base}/live") as page:
        await page.send_json({"token": person.token})
        if not (await page.receive_json(timeout=10)).get("ready"):
            raise StepFailed("live words are not to be had: see the log of gateway")
        yield page


async def _hear(page: aiohttp.ClientWebSocketResponse, word: str) -> float:
    """When the word came."""
    while True:
        said = await page.receive_json()
        if said.get("look") == word:
            return time.perf_counter()
