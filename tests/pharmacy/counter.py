"""The pharmacy's running room for the tests, with the hospital's people before it."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from kernel.auth.principal import Role
from kernel.settings import Settings
from record.validation import checking as validation
from services.pharmacy import routes
from services.pharmacy.app import create_app
from tests.pharmacy.hospital import Hospital, opened
from tests.support.postgres import connect_as
from tests.support.record import Answer, RoomDoor, Signed, account

Parameter = dict[str, Any]


@dataclass
class Counter:
    """The running room, and who stands before it."""

    hospital: Hospital
    door: RoomDoor

    async def ask(self, method: str, path: str, who: str, body: Any = None, **headers: str) -> Answer:
        sent = msgspec.json.encode(body) if body is not None else b""
        answer = await self.door.ask(method, path, by=who, body=sent, **headers)
        if path.startswith("/fhir") and answer.body:
            assert answer.headers["content-type"] == "application/fhir+json"
        if answer.status >= 400:
            validation.check(answer.body, type="OperationOutcome")
        return answer

    async def operate(self, path: str, who: str, *parameters: Parameter, **headers: str) -> Answer:
        """POST an operation with these parameters."""
        body = {"resourceType": "Parameters", "parameter": list(parameters)} if parameters else None
        return await self.ask("POST", f"/fhir/{path}", who, body, **headers)

    async def drafted(self, *medicines: str) -> None:
        for medicine in medicines or ("amlodipine",):
            made = await self.ask("POST", "/fhir/MedicationRequest", "doctor", self.hospital.request(medicine))
            assert made.status == 201, made.body

    @property
    def group(self) -> Parameter:
        return text("group", self.hospital.group)

    async def signed(self, **headers: str) -> Answer:
        """Draft, prepare and sign."""
        await self.drafted()
        document = base64.b64decode(value(await self.operate("MedicationRequest/$prepare", "doctor", self.group)))
        signature = text("signature", self.hospital.signature(document))
        return await self.operate("MedicationRequest/$sign", "doctor", self.group, signature, **headers)

    async def submitted(self) -> str:
        """Id of a Task waiting for review."""
        return str((await self.signed()).json["entry"][0]["resource"]["id"])

    async def released(self) -> tuple[str, str]:
        """Id of a Task whose pharmacy was chosen, and its code."""
        task = await self.submitted()
        await self.operate(f"Task/{task}/$review", "reviewer", code("decision", "approve"))
        return task, value(await self.operate(f"Task/{task}/$choose-pharmacy", "patient", self.pharmacy()), "code")

    def pharmacy(self, name: str = "corner") -> Parameter:
        return {"name": "pharmacy", "valueReference": {"reference": self.hospital.ref("Organization", name)}}


def text(name: str, said: str) -> Parameter:
    """A parameter of text."""
    return {"name": name, "valueString": said}


def code(name: str, said: str) -> Parameter:
    """A parameter of a code."""
    return {"name": name, "valueCode": said}


def value(answer: Answer, name: str = "document") -> str:
    """The text of one parameter of an answer."""
    assert answer.status == 200, answer.body
    found = next(one for one in answer.json["parameter"] if one["name"] == name)
    return str(next(given for key, given in found.items() if key.startswith("value")))


@asynccontextmanager
async def standing(settings: Settings, **visit: Any) -> AsyncIterator[Counter]:
    """The room on a real record, with the hospital's people signed in and its clock standing at noon."""
    async with opened(settings, size=1, **visit) as hospital:
        people = {
            "doctor": hospital.doctor(),
            "patient": hospital.patient(),
            "stranger": hospital.patient("stranger"),
            "reviewer": hospital.pharmacist("hospital-pharmacy"),
            "pharmacist": hospital.pharmacist("corner"),
            "rival": hospital.pharmacist("other"),
            "admin": account("admin", Role.ADMIN),
            "system": account("system", Role.SYSTEM),
        }
        app = create_app(settings)

        async def keys() -> Any:
            return hospital.fetch

        app.dependency_overrides[routes.fetch_key] = keys
        async with app.router.lifespan_context(app):
            app.state.room.verifier = Signed(people)
            app.state.room.clock = hospital.clock
            yield Counter(hospital, RoomDoor(app))


async def audited(counter: Counter, settings: Settings) -> list[tuple[str, str, str]]:
    """Who did what to which type in the patient's record, in order of time."""
    raw = await connect_as("patients", settings)
    try:
        rows = await raw.fetch(
            "select role, interaction, type from record.audit where patient = $1 order by id",
            counter.hospital.named("patient"),
        )
    finally:
        await raw.close()
    return [(row["role"], row["interaction"], row["type"]) for row in rows]


def item(request: str, quantity: bytes = b"7.50") -> Parameter:
    """So much of one line."""
    amount = {"value": msgspec.Raw(quantity), "unit": "片", "system": "http://unitsofmeasure.org", "code": "{tablet}"}
    parts = [
        {"name": "request", "valueReference": {"reference": f"MedicationRequest/{request}"}},
        {"name": "quantity", "valueQuantity": amount},
    ]
    return {"name": "item", "part": parts}
