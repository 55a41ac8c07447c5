"""Everything a stranger can ask about his record: searches, includes, operations and changes, all with real ids."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from services.consult.encounter import Side, participant_of
from tests.journeys.scene import HIM, Row, Scene
from tests.journeys.walked import Walked

Question = tuple[Any, ...]
"""Method, path and, for a command, its body."""
NOBODY = "01890000-0000-7000-8000-000000000000"
FEW = 4
"""So many of one type's rows are tried one by one; the searches meet them all."""
EVERYTHING = {
    "date": "ge1900-01-01",
    "string": "a",
    "token": "booked,active,completed,final,current,finished,fulfilled,male,female,AMB,VR",
}


def few(scene: Scene) -> list[Row]:
    """Some rows of each type."""
    by_type = itertools.groupby(sorted(scene.rows, key=lambda row: row.type), key=lambda row: row.type)
    return [row for _, rows in by_type for row in itertools.islice(rows, FEW)]


def _values(scene: Scene, type_: str, parameter: Mapping[str, Any]) -> Iterator[str]:
    """Values that fit his record: references to all of it, or something everything fits."""
    if parameter["name"] == "_id":
        yield ",".join(row.id for row in scene.of(type_)) or NOBODY
    elif parameter["type"] == "reference":
        yield f"Patient/{HIM}"
        yield ",".join(row.reference for row in scene.rows[:100])
    elif parameter["type"] == "string":
        yield from (*scene.facts[:2], EVERYTHING["string"])
    elif parameter["name"] in {"identifier", "phone", "telecom"}:
        yield from scene.facts[1:]
    else:
        yield EVERYTHING.get(parameter["type"], "a")


def searches(scene: Scene) -> Iterator[Question]:
    """Every parameter of every type, and every type's whole list and history."""
    for type_, said in scene.capability.items():
        yield "GET", f"/fhir/{type_}"
        yield "GET", f"/fhir/{type_}?_count=200&_total=accurate&_sort=-_lastUpdated"
        yield "GET", f"/fhir/{type_}/_history?_count=200"
        for parameter in said.get("searchParam", ()):
            for value in _values(scene, type_, parameter):
                yield "GET", f"/fhir/{type_}?{parameter['name']}={value}&_count=200"
            yield "GET", f"/fhir/{type_}?{parameter['name']}:missing=false&_count=200"
            yield "GET", f"/fhir/{type_}?{parameter['name']}:not={NOBODY}&_count=200"


def includes(scene: Scene) -> Iterator[Question]:
    """Everything that may come along with what the stranger may see."""
    for type_, said in scene.capability.items():
        for include in said.get("searchInclude", ()):
            yield "GET", f"/fhir/{type_}?_include={include}&_count=200"
            yield "GET", f"/fhir/{type_}?_include:iterate={include}&_count=200"
        for include in said.get("searchRevInclude", ()):
            yield "GET", f"/fhir/{type_}?_revinclude={include}&_count=200"
            for id_ in _pointed_at(scene, type_):
                yield "GET", f"/fhir/{type_}?_id={id_}&_revinclude={include}"
    for row in few(scene):
        yield "GET", f"/fhir/{row.type}?_id={row.id}&_include=*&_revinclude=*"
        yield "GET", f"/fhir/Patient?_has:{row.type}:patient:_id={row.id}"
        yield "GET", f"/fhir/{row.type}?patient.name={scene.facts[0]}"
        yield "GET", f"/fhir/{row.type}?subject:Patient.identifier={scene.facts[2]}"


def _pointed_at(scene: Scene, type_: str) -> set[str]:
    """Ids of open directory entries that his record points at."""
    whole = b"".join(orjson.dumps(row.body) for row in scene.rows).decode()
    parts = whole.split(f'"reference":"{type_}/')[1:]
    return {part.partition('"')[0].partition("/")[0] for part in parts}


def operations(scene: Scene) -> Iterator[Question]:
    """Every operation there is on his visits, with bodies that would work for those concerned."""
    for walk in (scene.his, scene.unfilled):
        yield from _on_appointment(scene, walk)
        yield from _on_encounter(walk)
        yield from _on_prescription(walk)
        yield from _on_order(walk)
        for name, id_ in walk.ids.items():
            yield "POST", f"/fhir/{name.partition(' ')[0]}/{id_}/$validate"
    yield "GET", f"/fhir/Patient/{HIM}/$everything"


def _on_appointment(scene: Scene, walk: Walked) -> Iterator[Question]:
    id_, booking = walk.ids["Appointment"], "/fhir/Appointment"
    yield "GET", f"{booking}/{id_}/$queue-status"
    for name in ("check-in", "cancel", "recall", "skip"):
        yield "POST", f"{booking}/{id_}/${name}", parameters(reason=text("x"))
    bare = {"resourceType": "Appointment", "id": id_, "status": "cancelled", "participant": []}
    whole = next(row.body for row in scene.of("Appointment") if row.id == id_)
    for body in (bare, {**whole, "status": "cancelled"}, whole):
        yield "POST", f"{booking}/$book", parameters(appointment_resource={"resource": body})
    slot = walk.resources["proposal"]["slot"][0]["reference"].removeprefix("Slot/")
    for_him, his_own = ref(f"Appointment/proposed-{slot}"), ref(f"Appointment/{id_}")
    for name in ("hold", "book"):
        asked = parameters(appointment_reference=for_him, patient_reference=ref(f"Patient/{HIM}"))
        yield "POST", f"{booking}/${name}", asked
        yield "POST", f"{booking}/${name}", parameters(appointment_reference=his_own)
    schedule = f"/fhir/Schedule/schedule-{walk.resources['practitioner'].removeprefix('Practitioner/')}"
    yield "GET", f"{schedule}/$queue"
    yield "POST", f"{schedule}/$call-next", parameters()


def _on_encounter(walk: Walked) -> Iterator[Question]:
    id_ = walk.ids["Encounter"]
    for name in ("start", "finish"):
        yield "POST", f"/fhir/Encounter/{id_}/${name}", parameters()
    yield "POST", f"/fhir/Encounter/{id_}/$confirm-follow-up", parameters(is_follow_up={"valueBoolean": True})
    room = f"/consult/rooms/{id_}/participants"
    yield "POST", room, {"sdp": "v=0\r\n"}
    for side in Side:
        yield "DELETE", f"{room}/{participant_of(id_, side)}"


def _on_prescription(walk: Walked) -> Iterator[Question]:
    group = text(walk.resources["group"])
    yield "POST", "/fhir/MedicationRequest/$prepare", parameters(group=group)
    yield "POST", "/fhir/MedicationRequest/$sign", parameters(group=group, signature=text("e30..e30"))
    yield "GET", f"/pharmacy/prescriptions/{walk.ids['Task']}/document"


def _on_order(walk: Walked) -> Iterator[Question]:
    task = f"/fhir/Task/{walk.ids['Task']}"
    code, secret = text(walk.resources.get("code", "000000")), text(walk.resources.get("secret", "x"))
    part = [
        {"name": "request", **ref(f"MedicationRequest/{walk.ids['MedicationRequest 1']}")},
        {"name": "quantity", "valueQuantity": {"value": 1, "code": "{tablet}"}},
    ]
    yield "GET", f"{task}/$pickup-code"
    yield "POST", f"{task}/$review", parameters(decision={"valueCode": "approve"})
    yield "POST", f"{task}/$choose-pharmacy", parameters(pharmacy=ref("Organization/pharmacy-retail-2"))
    yield "POST", f"{task}/$claim", parameters(code=code)
    yield "POST", f"{task}/$dispense", parameters(secret=secret, item={"part": part})
    yield "POST", f"{task}/$close", parameters(secret=secret)
    yield "POST", f"{task}/$cancel", parameters(reason=text("x"))


def parameters(**values: Any) -> dict[str, Any]:
    """A Parameters resource; names with _ for -."""
    entries = [{"name": name.replace("_", "-"), **value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": entries}


def ref(to: str) -> dict[str, Any]:
    """A reference as a parameter's value."""
    return {"valueReference": {"reference": to}}


def text(value: str) -> dict[str, Any]:
    """A text as a parameter's value."""
    return {"valueString": value}


def writes(scene: Scene) -> Iterator[Question]:
    """Changes to his resources, and new ones in his name."""
    for row in few(scene):
        if not row.body:
            continue
        path = f"/fhir/{row.type}/{row.id}"
        yield "PUT", path, {**row.body, "language": "en"}
        yield "PUT", f"/fhir/{row.type}/{NOBODY}", {**row.body, "id": NOBODY}
        yield "PATCH", path, [{"op": "remove", "path": "/status"}]
        yield "DELETE", path
        new = {name: value for name, value in row.body.items() if name not in {"id", "meta"}}
        yield "POST", f"/fhir/{row.type}", new
