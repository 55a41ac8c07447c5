"""The pharmacy's doors over HTTP: the whole way, every refusal as an OperationOutcome, every command once."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest

from kernel.auth.principal import Role
from kernel.queueing import celery
from kernel.settings import Settings
from record import validation
from services.pharmacy import jobs, routes
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


async def test_the_whole_way_over_http(migrated: Settings) -> None:
    """Draft, prepare, sign, review, choose, claim, dispense, close; each step is in the audit trail."""
    async with standing(migrated) as at:
        await at.drafted("amlodipine", "metformin")
        prepared = await at.operate("MedicationRequest/$prepare", "doctor", at.group)
        document = base64.b64decode(value(prepared))
        assert value(prepared, "digest") == hashlib.sha256(document).hexdigest()
        assert prepared.headers["cache-control"] == "no-store"
        signature = text("signature", at.hospital.signature(document))
        signed = await at.operate("MedicationRequest/$sign", "doctor", at.group, signature)
        assert signed.status == 201
        validation.check(signed.body, type="Bundle")
        kinds = [entry["resource"]["resourceType"] for entry in signed.json["entry"]]
        assert kinds == ["Task", "MedicationRequest", "MedicationRequest", "Provenance"]
        task = signed.json["entry"][0]["resource"]["id"]
        lines = [entry["resource"]["id"] for entry in signed.json["entry"][1:3]]
        for who in ("doctor", "patient", "reviewer"):
            got = await at.door.ask("GET", f"/pharmacy/prescriptions/{task}/document", by=who)
            assert (got.status, got.body) == (200, document)
        reviewed = await at.operate(f"Task/{task}/$review", "reviewer", code("decision", "approve"))
        assert (reviewed.status, reviewed.json["status"], reviewed.headers["etag"]) == (200, "accepted", 'W/"2"')
        chosen = await at.operate(f"Task/{task}/$choose-pharmacy", "patient", at.pharmacy())
        assert chosen.json["parameter"][0]["resource"]["status"] == "ready"
        again = await at.ask("GET", f"/fhir/Task/{task}/$pickup-code", "patient")
        assert value(again, "code") == value(chosen, "code")
        claimed = await at.operate(f"Task/{task}/$claim", "pharmacist", text("code", value(chosen, "code")))
        secret = text("secret", value(claimed, "secret"))
        handed = await at.operate(f"Task/{task}/$dispense", "pharmacist", secret, *map(item, lines))
        assert handed.status == 201
        assert handed.body.count(b'"value":7.50') == 2
        validation.check(handed.body, type="Bundle")
        closed = await at.operate(f"Task/{task}/$close", "pharmacist", secret)
        assert (closed.status, closed.json["status"]) == (200, "completed")
        trail = await audited(at, migrated)
    steps = [step for _, step, _ in trail]
    order = ["create", "$prepare", "$sign", "document", "$review", "$choose-pharmacy", "$pickup-code", "$claim"]
    assert list(dict.fromkeys(steps)) == [*order, "$dispense", "$close"]
    assert ("patient", "$choose-pharmacy", "Task") in trail
    assert steps.count("$dispense") == 2


def item(request: str, quantity: bytes = b"7.50") -> Parameter:
    """So much of one line."""
    amount = {"value": msgspec.Raw(quantity), "unit": "片", "system": "http://unitsofmeasure.org", "code": "{tablet}"}
    parts = [
        {"name": "request", "valueReference": {"reference": f"MedicationRequest/{request}"}},
        {"name": "quantity", "valueQuantity": amount},
    ]
    return {"name": "item", "part": parts}


async def test_a_repeated_command_takes_effect_once(migrated: Settings) -> None:
    """The same Idempotency-Key gets the same answer again: one order, one code, one hand-over."""
    async with standing(migrated) as at:
        await at.drafted()
        document = base64.b64decode(value(await at.operate("MedicationRequest/$prepare", "doctor", at.group)))
        signing = [at.group, text("signature", at.hospital.signature(document))]
        first, second = [
            await at.operate("MedicationRequest/$sign", "doctor", *signing, idempotency_key="sign-1") for _ in "12"
        ]
        assert (first.status, first.body) == (second.status, second.body)
        assert second.headers["idempotency-replayed"] == "true"
        task = first.json["entry"][0]["resource"]["id"]
        line = first.json["entry"][1]["resource"]["id"]
        await at.operate(f"Task/{task}/$review", "reviewer", code("decision", "approve"))
        path = f"Task/{task}/$choose-pharmacy"
        codes = {value(await at.operate(path, "patient", at.pharmacy(), idempotency_key="c"), "code") for _ in "12"}
        secret = value(await at.operate(f"Task/{task}/$claim", "pharmacist", text("code", codes.pop())), "secret")
        assert not codes
        handing = [text("secret", secret), item(line, b"5")]
        path = f"Task/{task}/$dispense"
        one, two = [await at.operate(path, "pharmacist", *handing, idempotency_key="d") for _ in "12"]
        assert (one.status, one.body) == (two.status, two.body)
        fresh = await at.operate(path, "pharmacist", *handing, idempotency_key="e")
        assert (fresh.status, fresh.codes) == (422, ["over-dispensed"])
        other = await at.operate(path, "pharmacist", text("secret", secret), item(line, b"1"), idempotency_key="d")
        assert (other.status, other.codes) == (422, ["idempotency-key-reused"])


async def test_a_first_visit_is_refused_with_rule_and_source(migrated: Settings) -> None:
    """A prescription without confirmed follow-up is an OperationOutcome that names TELE-01, source and rule pack."""
    async with standing(migrated, extension=None) as at:
        await at.drafted()
        refused = await at.operate("MedicationRequest/$prepare", "doctor", at.group)
    assert refused.status == 422
    assert refused.json == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "business-rule",
                "details": {
                    "coding": [
                        {
                            "system": "https://yuzhen.example/fhir/CodeSystem/failure",
                            "code": "tele-01-follow-up-unconfirmed",
                        }
                    ],
                    "text": "Confirm first that this visit follows up an earlier diagnosis "
                    "(TELE-01, 互联网诊疗管理办法 2018 art. 16).",
                },
                "diagnostics": f"{at.hospital.ref('Encounter', 'visit')} Rule pack cn-online-prescription 2026.1.",
            }
        ],
    }


async def test_refusals_of_the_demo(migrated: Settings) -> None:
    """An unreviewed order, a second pharmacy, a wrong code and a foreign patient are each turned away by name."""
    async with standing(migrated) as at:
        task = await at.submitted()
        early = await at.operate(f"Task/{task}/$choose-pharmacy", "patient", at.pharmacy())
        assert (early.status, early.codes) == (422, ["rx-12-not-reviewed"])
        claim = await at.operate(f"Task/{task}/$claim", "pharmacist", text("code", "x"))
        assert (claim.status, claim.codes) == (422, ["rx-12-not-reviewed"])
        own = await at.operate(f"Task/{task}/$review", "pharmacist", code("decision", "approve"))
        assert (own.status, own.codes) == (403, ["rx-09-not-reviewer"])
        bare = await at.operate(f"Task/{task}/$review", "reviewer", code("decision", "return"))
        assert (bare.status, bare.codes) == (422, ["rx-11-return-unexplained"])
        await at.operate(f"Task/{task}/$review", "reviewer", code("decision", "approve"))
        chosen = await at.operate(f"Task/{task}/$choose-pharmacy", "patient", at.pharmacy())
        right = text("code", value(chosen, "code"))
        rival = await at.operate(f"Task/{task}/$claim", "rival", right)
        assert (rival.status, rival.codes) == (403, ["wrong-pharmacy"])
        wrong = await at.operate(f"Task/{task}/$claim", "pharmacist", text("code", "wrong"))
        assert (wrong.status, wrong.codes) == (403, ["pickup-code-wrong"])
        for path in (
            f"/fhir/Task/{task}/$pickup-code",
            f"/fhir/Task/{task}",
            f"/pharmacy/prescriptions/{task}/document",
        ):
            unseen = await at.door.ask("GET", path, by="stranger")
            assert unseen.status == 404, path
        unseen = await at.door.ask("GET", f"/fhir/Task/{task}", by="rival")
        assert unseen.status == 404


@pytest.mark.parametrize(
    ("method", "path", "who", "status"),
    [
        ("POST", "MedicationRequest/$prepare", "patient", 403),
        ("POST", "MedicationRequest/$sign", "pharmacist", 403),
        ("POST", "Task/x/$review", "doctor", 403),
        ("POST", "Task/x/$choose-pharmacy", "doctor", 403),
        ("GET", "Task/x/$pickup-code", "pharmacist", 403),
        ("POST", "Task/x/$claim", "patient", 403),
        ("POST", "Task/x/$dispense", "patient", 403),
        ("POST", "Task/x/$close", "system", 403),
        ("POST", "Task/x/$cancel", "pharmacist", 403),
        ("POST", "Task", "system", 405),
        ("PUT", "Task/x", "system", 405),
        ("DELETE", "MedicationDispense/x", "system", 405),
        ("POST", "Task", "doctor", 403),
        ("POST", "MedicationRequest", "admin", 403),
        ("POST", "Medication", "doctor", 403),
        ("GET", "Task/x/$unknown", "doctor", 404),
        ("POST", "Task/x/$cancel", "doctor", 404),
        ("POST", "Task/x/$review", "reviewer", 400),
        ("POST", "Task/x/$choose-pharmacy", "patient", 400),
        ("POST", "MedicationRequest/$prepare", "doctor", 400),
    ],
)
async def test_each_door_has_its_people(migrated: Settings, method: str, path: str, who: str, status: int) -> None:
    """A role that has no business there is refused, and plain writes of orders name the operations instead."""
    async with standing(migrated) as at:
        answer = await at.ask(method, f"/fhir/{path}", who)
        assert answer.status == status, answer.body
        assert answer.codes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"resourceType":"Parameters"}',
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Parameters","parameter":[{"name":"secret","valueString":"s"},{"name":"item"}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"secret","valueInteger":1}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"secret","valueString":"s"},'
        b'{"name":"item","part":[{"name":"request","valueReference":{"reference":"Patient/1"}}]}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"secret","valueString":"s"},{"name":"item","part":'
        b'[{"name":"request","valueReference":{"reference":"MedicationRequest/1"}}]}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"secret","valueString":"s"},{"name":"item","part":'
        b'[{"name":"request","valueReference":{"reference":"MedicationRequest/1"}},'
        b'{"name":"quantity","valueQuantity":{"value":1e999}}]}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"secret","valueString":"\\ud800"}]}',
    ],
)
async def test_odd_bodies_are_never_our_fault(migrated: Settings, body: bytes) -> None:
    """Whatever is sent to $dispense, the answer is a refusal that says what is wrong."""
    async with standing(migrated) as at:
        for operation in ("$dispense", "$claim", "$close", "$review"):
            who = "reviewer" if operation == "$review" else "pharmacist"
            answer = await at.door.ask("POST", f"/fhir/Task/none/{operation}", by=who, body=body)
            assert 400 <= answer.status < 500, answer.body
            validation.check(answer.body, type="OperationOutcome")


async def test_identity_away_is_busy(migrated: Settings) -> None:
    """When signatures cannot be checked the doctor is told to sign again in a moment, and nothing has happened."""
    async with standing(migrated) as at:
        at.door.app.dependency_overrides.clear()
        refused = await at.signed()
        assert (refused.status, refused.codes) == (503, ["signing-keys-away"])
        assert refused.headers["retry-after"]
        found = await at.ask("GET", f"/fhir/Task?patient={at.hospital.ref('Patient', 'patient')}", "doctor")
        assert found.json.get("entry", []) == []


async def test_drafts_follow_fhirs_rules_of_change(migrated: Settings) -> None:
    """A draft is updated with If-Match, refused when stale, searched by its group, and deleted."""
    async with standing(migrated) as at:
        made = await at.ask("POST", "/fhir/MedicationRequest", "doctor", at.hospital.request())
        id = made.json["id"]
        path = f"/fhir/MedicationRequest/{id}"
        changed = at.hospital.request("aspirin") | {"id": id}
        assert (await at.ask("PUT", path, "doctor", changed, if_match='W/"1"')).status == 200
        assert (await at.ask("PUT", path, "doctor", changed, if_match='W/"1"')).status == 412
        group = f"https://yuzhen.example/fhir/prescription|{at.hospital.group}"
        found = await at.ask("GET", f"/fhir/MedicationRequest?group-identifier={group}", "doctor")
        assert [entry["resource"]["id"] for entry in found.json["entry"]] == [id]
        assert (await at.ask("DELETE", path, "doctor")).status == 204
        assert (await at.ask("GET", path, "doctor")).status == 410


async def test_what_the_room_serves_is_what_it_says(migrated: Settings) -> None:
    """The CapabilityStatement lists every operation of the order, and no plain writes of Task."""
    async with standing(migrated) as at:
        said = orjson.loads((await at.door.ask("GET", "/fhir/metadata", by="doctor")).body)
    resources = {one["type"]: one for one in said["rest"][0]["resource"]}
    names = {operation["name"] for operation in resources["Task"]["operation"]}
    steps = {"review", "choose-pharmacy", "pickup-code", "claim", "dispense", "close", "cancel"}
    assert names == steps
    assert {one["name"] for one in resources["MedicationRequest"]["operation"]} == {"prepare", "sign"}
    assert not {"create", "update", "delete"} & {one["code"] for one in resources["Task"]["interaction"]}


async def test_a_prescription_needs_a_person(migrated: Settings) -> None:
    """A system token may not draft: a prescription is written by the treating doctor in person (TELE-08)."""
    async with standing(migrated) as at:
        answer = await at.ask("POST", "/fhir/MedicationRequest", "system", at.hospital.request())
        assert (answer.status, answer.codes) == (403, ["tele-08-not-treating-doctor"])


async def test_the_job_ends_what_is_over_and_says_so(migrated: Settings) -> None:
    """The worker's job expires the order after midnight; patient and trail see it, and it is in the job register."""
    async with standing(migrated) as at:
        task, _ = await at.released()
        at.hospital.clock.advance(timedelta(hours=12))
        room = at.door.app.state.room
        async with room.database.transaction() as tx:
            await jobs.expire_orders(tx, room)
            assert (f"live:{at.hospital.ref('Patient', 'patient')}", f"Task/{task}") in tx.words
        seen = await at.ask("GET", f"/fhir/Task/{task}", "patient")
        assert (seen.json["status"], seen.json["businessStatus"]["coding"][0]["code"]) == ("failed", "expired")
        assert ("system", "expire", "Task") in await audited(at, migrated)
        names = set(celery(migrated).conf.beat_schedule)
    assert {"pharmacy.expire_orders", "pharmacy.forget_old_answers"} <= names
