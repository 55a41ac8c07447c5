"""In the room: picture and sound, messages, diagnosis, and the end of the visit."""

import asyncio

from yuzhen.demo.api import Resource, every
from yuzhen.demo.peer import Peer
from yuzhen.demo.prescribing import line, medicine
from yuzhen.demo.visit import StepFailed, Visit, eventually, refused

ICD10 = "http://hl7.org/fhir/sid/icd-10"
FRAMES = 20


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
    group = f"early-{visit.ids['Encounter']}"
    draft = await doctor.post(
        "/fhir/MedicationRequest", line(visit, await medicine(visit, "氨氯地平"), group, reason=None)
    )
    prepare = doctor.operate("/fhir/MedicationRequest/$prepare", group=group)
    prescription = await refused(prepare, status=(422,), code="tele-01")
    await doctor.delete(f"/fhir/MedicationRequest/{draft['id']}")
    return f"{condition}; {prescription}"


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


async def end_visit(visit: Visit) -> str:
    """The doctor ends the visit."""
    for peer in visit.resources.pop("peers"):
        await peer.leave()
    finished = await visit.people["doctor"].operate(f"/fhir/Encounter/{visit.ids['Encounter']}/$finish")
    await eventually(lambda: _fulfilled(visit))
    return str(finished["status"])


async def _fulfilled(visit: Visit) -> Resource | None:
    found = await visit.people["patient"].get(f"/fhir/Appointment/{visit.ids['Appointment']}")
    return found if found["status"] == "fulfilled" else None
