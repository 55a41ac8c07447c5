"""Every refusal over HTTP is an OperationOutcome that says what to do, and never our fault."""

import pytest

from kernel.settings import Settings
from record.validation import checking as validation
from tests.pharmacy.counter import code, standing, text, value


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
                "diagnostics": f"{at.hospital.ref('Encounter', 'visit')} Rule pack cn-online-prescription@2026.1.",
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


async def test_a_prescription_needs_a_person(migrated: Settings) -> None:
    """A system token may not draft: a prescription is written by the treating doctor in person (TELE-08)."""
    async with standing(migrated) as at:
        answer = await at.ask("POST", "/fhir/MedicationRequest", "system", at.hospital.request())
        assert (answer.status, answer.codes) == (403, ["tele-08-not-treating-doctor"])
