"""Review, the patient's choice, the pharmacy, and the record as it stands at the end."""

from yuzhen.demo import api
from yuzhen.demo.api import Resource, every, out, reference
from yuzhen.demo.visit import StepFailed, Visit, refused

UCUM = "http://unitsofmeasure.org"


async def review(visit: Visit) -> str:
    """The hospital's pharmacist reviews and approves; before that nothing can be bought (RX-12)."""
    task, patient = f"/fhir/Task/{visit.ids['Task']}", visit.people["patient"]
    early = await refused(
        patient.operate(f"{task}/$choose-pharmacy", pharmacy=reference("Organization/pharmacy-1")),
        status=(422,),
        code="rx-12",
    )
    pharmacist = await visit.person("reviewer", "pharmacist-001")
    waiting = every(await pharmacist.get("/fhir/Task", owner=pharmacist.me["organization"], _sort="-_lastUpdated"))
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
