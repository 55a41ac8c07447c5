"""The visit, told in the order in which it happens; each step says what to look at when it fails."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
from joserfc import jws
from joserfc.jwk import ECKey

from kernel.clock import Clock
from yuzhen.demo import api
from yuzhen.demo.api import Person, Refused, Resource, every, only, out, reference
from yuzhen.demo.peer import Peer

ICD10 = "http://hl7.org/fhir/sid/icd-10"
PRESCRIPTION = "https://yuzhen.example/fhir/prescription"
UCUM = "http://unitsofmeasure.org"
FRAMES = 20


class StepFailed(Exception):
    """A step of the visit did not go as it must."""


@dataclass(slots=True)
class Done:
    """A finished step."""

    name: str
    seconds: float
    shown: str


@dataclass(slots=True)
class Visit:
    """Everything the visit has come to so far."""

    http: aiohttp.ClientSession
    base: str
    password: str
    clock: Clock
    doctor_of: Callable[[str], str]
    """The demo login of a practitioner's reference."""
    done: list[Done] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)

    async def person(self, role: str, login: str) -> Person:
        """Sign somebody in under a role name of the story."""
        person = Person(self.http, self.base, login)
        await person.sign_in(self.password)
        self.people[role] = person
        return person


async def refused(attempt: Awaitable[Any], *, status: tuple[int, ...], code: str = "") -> str:
    """Expect a refusal; returns its code. Raises StepFailed when the attempt goes through or fails otherwise."""
    try:
        await attempt
    except Refused as no:
        if no.status not in status or not no.code.startswith(code):
            raise StepFailed(f"refused with {no.status} {no.code} instead of {status} {code}") from no
        return f"{no.status} {no.code}"
    raise StepFailed(f"was let through instead of refused ({code})")


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
    note = await _eventually(lambda: _confirmation(visit))
    visit.ids["Communication (confirmation)"] = note["id"]
    return f"{booked['status']}, confirmation received"


async def _confirmation(visit: Visit) -> Resource | None:
    notes = await visit.people["patient"].get("/fhir/Communication", patient=visit.people["patient"].reference)
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
        await _call_until_ours(doctor, schedule, visit.ids["Appointment"])
        started = time.perf_counter()
        heard = await asyncio.wait_for(_hear(words, f"Appointment/{visit.ids['Appointment']}"), 10)
        told = time.perf_counter() - started
    encounter = await _eventually(lambda: _encounter(visit))
    visit.ids["Encounter"] = encounter["id"]
    return f"told in {max(told, 0) * 1000:.0f} ms" if heard else ""


async def _call_until_ours(doctor: Person, schedule: str, appointment: str) -> None:
    """Call; whoever is left over from an earlier, broken-off run has missed the turn."""
    for _ in range(50):
        waiting = every(await doctor.get(f"/fhir/{schedule}/$queue"))
        called = [one for one in waiting if _ticket_state(one) == "called"]
        if called and called[0]["id"] == appointment:
            return
        for one in called:
            await doctor.operate(f"/fhir/Appointment/{one['id']}/$skip")
        answer = every(await doctor.operate(f"/fhir/{schedule}/$call-next"))
        if answer and answer[0]["id"] == appointment:
            return
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


async def enter_room(visit: Visit) -> str:
    """Both enter the room: sound and picture both ways; a stranger is kept out."""
    encounter = visit.ids["Encounter"]
    stranger = visit.people["stranger"]
    no = await refused(stranger.post(f"/consult/rooms/{encounter}/participants", {"sdp": "v=0\r\n"}), status=(403, 404))
    patient, doctor = Peer(visit.people["patient"], first=100), Peer(visit.people["doctor"], first=30000)
    visit.resources["peers"] = (patient, doctor)
    await asyncio.gather(patient.join(encounter), doctor.join(encounter))
    seen = await asyncio.gather(patient.sees(FRAMES, of=doctor, within=20), doctor.sees(FRAMES, of=patient, within=20))
    if min(seen) < FRAMES or min(patient.heard, doctor.heard) < FRAMES:
        raise StepFailed(f"picture or sound did not arrive (frames {seen}): see the logs of consult and rtc")
    strange = [len(one.seen) - len(one.matching(two.video.sent)) for one, two in ((patient, doctor), (doctor, patient))]
    if any(strange):
        raise StepFailed(f"decoded pictures carry numbers nobody sent ({strange})")
    return f"{seen[0]} and {seen[1]} numbered frames match; stranger {no}"


async def chat(visit: Visit) -> str:
    """Both write to one another."""
    encounter = visit.ids["Encounter"]
    for who, text in (("patient", "医生您好，最近血压平稳。"), ("doctor", "您好，我看了您的记录。")):
        sent = await visit.people[who].post("/fhir/Communication", _message(visit, who, text))
        visit.ids[f"Communication ({who})"] = sent["id"]
    found = await visit.people["patient"].get("/fhir/Communication", encounter=f"Encounter/{encounter}", _sort="sent")
    texts = [one["payload"][0]["contentString"] for one in every(found)]
    if len(texts) < 2:
        raise StepFailed("a message is missing: see the log of consult")
    return f"{len(texts)} messages"


def _message(visit: Visit, who: str, text: str) -> Resource:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [
            {"coding": [{"system": "https://yuzhen.example/fhir/CodeSystem/communication-category", "code": "chat"}]}
        ],
        "subject": {"reference": visit.people["patient"].reference},
        "encounter": {"reference": f"Encounter/{visit.ids['Encounter']}"},
        "sender": {"reference": visit.people[who].reference},
        "payload": [{"contentString": text}],
    }


async def refuse_before_prior_diagnosis(visit: Visit) -> str:
    """A diagnosis and a prescription without a confirmed earlier diagnosis are refused (TELE-01)."""
    doctor = visit.people["doctor"]
    condition = await refused(doctor.post("/fhir/Condition", await _condition(visit)), status=(422,), code="tele-01")
    line = _line(visit, await _medicine(visit, "氨氯地平"), "demo-refused", reason=None)
    request = await refused(doctor.post("/fhir/MedicationRequest", line), status=(422,), code="tele-01")
    return f"{condition}; {request}"


async def diagnose(visit: Visit) -> str:
    """The doctor confirms that it is a follow-up and records the diagnosis."""
    doctor = visit.people["doctor"]
    await doctor.operate(f"/fhir/Encounter/{visit.ids['Encounter']}/$confirm-follow-up", is_follow_up=True)
    condition = await doctor.post("/fhir/Condition", await _condition(visit))
    visit.ids["Condition"] = condition["id"]
    coding = condition["code"]["coding"][0]
    return f"{coding['code']} {coding.get('display', '')}"


async def _condition(visit: Visit) -> Resource:
    doctor = visit.people["doctor"]
    wanted = visit.resources["document"]["context"]["event"][0]["coding"][0]["code"]
    expansion = await doctor.get("/fhir/ValueSet/icd-10/$expand", filter=wanted, count="5")
    found = next(one for one in expansion["expansion"]["contains"] if one["code"] == wanted)
    kinds = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": f"{kinds}/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{kinds}/condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{kinds}/condition-category", "code": "encounter-diagnosis"}]}],
        "code": {"coding": [{"system": ICD10, "code": found["code"], "display": found["display"]}]},
        "subject": {"reference": visit.people["patient"].reference},
        "encounter": {"reference": f"Encounter/{visit.ids['Encounter']}"},
        "recorder": {"reference": doctor.reference},
    }


async def _medicine(visit: Visit, name: str) -> Resource:
    found = every(await visit.people["doctor"].get("/fhir/Medication", code__text=name))
    if not found:
        raise StepFailed(f"no medicine is found by the name {name}: see the log of pharmacy")
    return found[0]


def _line(visit: Visit, medicine: Resource, group: str, *, reason: str | None) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "groupIdentifier": {"system": PRESCRIPTION, "value": group},
        "medicationReference": {
            "reference": f"Medication/{medicine['id']}",
            "display": medicine["code"].get("text", ""),
        },
        "subject": {"reference": visit.people["patient"].reference},
        "encounter": {"reference": f"Encounter/{visit.ids['Encounter']}"},
        "requester": {"reference": visit.people["doctor"].reference},
        **({"reasonReference": [{"reference": reason}]} if reason else {}),
        "dosageInstruction": [
            {
                "text": "口服，每次1片，每日1次",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": {"text": "口服"},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "片", "system": UCUM, "code": "{tablet}"}}],
            }
        ],
        "dispenseRequest": {
            "quantity": {"value": 7, "unit": "片", "system": UCUM, "code": "{tablet}"},
            "expectedSupplyDuration": {"value": 7, "unit": "天", "system": UCUM, "code": "d"},
        },
    }


async def prescribe(visit: Visit) -> str:
    """The doctor writes a prescription of two medicines."""
    doctor = visit.people["doctor"]
    group = f"rx-{visit.ids['Encounter'][:8]}-{hashlib.sha256(visit.ids['Encounter'].encode()).hexdigest()[:8]}"
    visit.resources["group"] = group
    names: list[str] = []
    for name in ("氨氯地平", "厄贝沙坦"):
        medicine = await _medicine(visit, name)
        line = _line(visit, medicine, group, reason=f"Condition/{visit.ids['Condition']}")
        request = await doctor.post("/fhir/MedicationRequest", line)
        visit.ids[f"MedicationRequest {len(names) + 1}"] = request["id"]
        names.append(medicine["code"]["text"])
    return ", ".join(names)


async def sign(visit: Visit) -> str:
    """The doctor signs exactly the bytes shown, with a key that never leaves the doctor's hands."""
    doctor = visit.people["doctor"]
    key = ECKey.generate_key("P-256")
    enrolled = await doctor.post(
        "/identity/signing-keys", {"jwk": key.as_dict(private=False), "password": visit.password}
    )
    group = visit.resources["group"]
    prepared = await doctor.operate("/fhir/MedicationRequest/$prepare", group=group)
    document = base64.b64decode(out(prepared, "document"))
    if hashlib.sha256(document).hexdigest() != out(prepared, "digest"):
        raise StepFailed("the prepared document does not have the digest it names")
    header = {"alg": "ES256", "kid": enrolled["kid"], "iat": int(visit.clock.now().timestamp())}
    whole = jws.serialize_compact(header, document, key, algorithms=["ES256"])
    head, _, tail = whole.split(".")
    bundle = every(await doctor.operate("/fhir/MedicationRequest/$sign", group=group, signature=f"{head}..{tail}"))
    visit.ids["Task"] = next(one["id"] for one in bundle if one["resourceType"] == "Task")
    visit.ids["Provenance"] = next(one["id"] for one in bundle if one["resourceType"] == "Provenance")
    kept = await doctor.get(f"/pharmacy/prescriptions/{visit.ids['Task']}/document")
    raw = kept if isinstance(kept, bytes) else orjson.dumps(kept)
    if isinstance(kept, bytes) and raw != document:
        raise StepFailed("the stored prescription is not the one that was signed")
    return f"{len(document)} bytes, ES256"


async def end_visit(visit: Visit) -> str:
    """The doctor ends the visit."""
    for peer in visit.resources.pop("peers"):
        await peer.leave()
    finished = await visit.people["doctor"].operate(f"/fhir/Encounter/{visit.ids['Encounter']}/$finish")
    await _eventually(lambda: _fulfilled(visit))
    return str(finished["status"])


async def _fulfilled(visit: Visit) -> Resource | None:
    found = await visit.people["patient"].get(f"/fhir/Appointment/{visit.ids['Appointment']}")
    return found if found["status"] == "fulfilled" else None


async def review(visit: Visit) -> str:
    """The hospital's pharmacist reviews and approves; before that nothing can be bought (RX-12)."""
    task, patient = f"/fhir/Task/{visit.ids['Task']}", visit.people["patient"]
    early = await refused(
        patient.operate(f"{task}/$choose-pharmacy", pharmacy=reference("Organization/pharmacy-1")),
        status=(422,),
        code="rx-12",
    )
    pharmacist = await visit.person("reviewer", "pharmacist-001")
    waiting = every(await pharmacist.get("/fhir/Task", owner=pharmacist.me["organization"]))
    if visit.ids["Task"] not in {one["id"] for one in waiting}:
        raise StepFailed("the prescription is not in the reviewer's list: see the log of pharmacy")
    await pharmacist.operate(f"{task}/$review", decision=api.code("approve"))
    return f"approved; too early: {early}"


async def choose_pharmacy(visit: Visit) -> str:
    """The patient chooses a pharmacy and gets the code."""
    patient = visit.people["patient"]
    pharmacies = every(await patient.get("/fhir/Organization", type="retail-pharmacy"))
    chosen = visit.resources["pharmacy"] = pharmacies[0]
    answer = await patient.operate(
        f"/fhir/Task/{visit.ids['Task']}/$choose-pharmacy", pharmacy=reference(f"Organization/{chosen['id']}")
    )
    visit.resources["code"] = out(answer, "code")
    return str(chosen["name"])


async def claim(visit: Visit) -> str:
    """The pharmacy claims the order with the patient's code; a second pharmacy is refused."""
    task, chosen = f"/fhir/Task/{visit.ids['Task']}", visit.resources["pharmacy"]["id"]
    retail = [await visit.person(f"pharmacist-{n}", f"pharmacist-{n}") for n in ("003", "004")]
    own = next(one for one in retail if one.me["organization"].endswith(f"/{chosen}"))
    other = next(one for one in retail if one is not own)
    code = visit.resources["code"]
    no = await refused(other.operate(f"{task}/$claim", code=code), status=(403, 404))
    answer = await own.operate(f"{task}/$claim", code=code)
    still = await refused(other.operate(f"{task}/$claim", code=code), status=(403, 404, 409))
    visit.people["pharmacist"], visit.resources["secret"] = own, out(answer, "secret")
    return f"claimed; the other pharmacy: {no}, {still}"


async def dispense(visit: Visit) -> str:
    """The pharmacy dispenses both medicines and closes the order."""
    pharmacist, task = visit.people["pharmacist"], f"/fhir/Task/{visit.ids['Task']}"
    secret = visit.resources["secret"]
    entries: list[Resource] = [{"name": "secret", "valueString": secret}]
    for n in (1, 2):
        request = f"MedicationRequest/{visit.ids[f'MedicationRequest {n}']}"
        quantity = {"value": 7, "unit": "片", "system": UCUM, "code": "{tablet}"}
        part = [
            {"name": "request", "valueReference": {"reference": request}},
            {"name": "quantity", "valueQuantity": quantity},
        ]
        entries.append({"name": "item", "part": part})
    bundle = await pharmacist.post(f"{task}/$dispense", {"resourceType": "Parameters", "parameter": entries})
    for n, one in enumerate((r for r in every(bundle) if r["resourceType"] == "MedicationDispense"), 1):
        visit.ids[f"MedicationDispense {n}"] = one["id"]
    closed = await pharmacist.operate(f"{task}/$close", secret=secret)
    again = await refused(
        pharmacist.post(f"{task}/$dispense", {"resourceType": "Parameters", "parameter": entries}),
        status=(409, 422, 403),
    )
    return f"{closed['status']}; a second time: {again}"


async def read_back(visit: Visit) -> str:
    """All of it is there as FHIR R4 through the gateway."""
    patient = visit.people["patient"]
    for name, id_ in visit.ids.items():
        type_ = name.split(" ")[0]
        found = await patient.get(f"/fhir/{type_}/{id_}")
        if found["resourceType"] != type_ or found["id"] != id_:
            raise StepFailed(f"{type_} is not what was written")
    trail = await patient.get("/fhir/AuditEvent", patient=patient.reference, _count="50")
    events = every(trail)
    if not events:
        raise StepFailed("nobody wrote down who saw the record: see the log of patients")
    visit.ids["AuditEvent"] = events[0]["id"]
    stranger = visit.people["stranger"]
    await refused(stranger.get(f"/fhir/Encounter/{visit.ids['Encounter']}"), status=(404,))
    return f"{len(visit.ids)} resources, {len(events)} or more audit events; a stranger sees none"


STEPS: tuple[Callable[[Visit], Awaitable[str]], ...] = (
    *(sign_in, find, hold, book, check_in, call, enter_room, chat, refuse_before_prior_diagnosis, diagnose),
    *(prescribe, sign, end_visit, review, choose_pharmacy, claim, dispense, read_back),
)


async def _eventually(look: Callable[[], Awaitable[Resource | None]], *, within: float = 20) -> Resource:
    """What a room does on another's word comes a moment later."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise StepFailed("what should have followed did not come: see the logs of consult and appointments")


@asynccontextmanager
async def _listening(visit: Visit, person: Person) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with visit.http.ws_connect(f"{visit.base}/live") as page:
        await page.send_json({"token": person.token})
        if not (await page.receive_json(timeout=10)).get("ready"):
            raise StepFailed("live words are not to be had: see the log of gateway")
        yield page


async def _hear(page: aiohttp.ClientWebSocketResponse, word: str) -> bool:
    while True:
        said = await page.receive_json()
        if said.get("look") in {word, "*"}:
            return True
