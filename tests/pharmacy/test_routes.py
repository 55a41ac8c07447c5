"""The pharmacy's doors over HTTP: the whole way, each step recorded, every command once."""

import base64
import hashlib
from datetime import timedelta

import orjson

from kernel.queueing import celery
from kernel.settings import Settings
from record.validation import checking as validation
from services.pharmacy import jobs
from tests.pharmacy.counter import audited, code, item, standing, text, value


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
    steps = {"review", "choose-pharmacy", "pickup-code", "claim", "dispense", "close", "cancel", "validate"}
    assert names == steps
    assert {one["name"] for one in resources["MedicationRequest"]["operation"]} == {"prepare", "sign", "validate"}
    assert not {"create", "update", "delete"} & {one["code"] for one in resources["Task"]["interaction"]}


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
