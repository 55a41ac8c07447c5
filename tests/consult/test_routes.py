"""Tests of consult's FHIR doors over HTTP: what is offered, what is refused, and that everything is recorded."""

import orjson

from kernel.auth.principal import Principal, Role
from kernel.settings import Settings
from record.canonical import extension
from tests.consult.test_chatting import message
from tests.support.record import Answer
from tests.support.rooms import Door, principal, running, token_of
from tests.support.visits import Booked, booked, called, encounter_of_visit, transaction, under_way

JUDGED = {"resourceType": "Parameters", "parameter": [{"name": "is-follow-up", "valueBoolean": True}]}


async def operate(door: Door, settings: Settings, one: Booked, name: str, by: Principal, body: object = None) -> Answer:
    path = f"/fhir/Encounter/{one.encounter}/{name}"
    return await door.ask("POST", path, token=token_of(settings, by), body=body)


async def recorded(settings: Settings, one: Booked) -> list[tuple[str, str, str]]:
    """Every access to the visit's patient that was recorded: who, interaction, with what."""
    async with transaction("patients", settings) as tx:
        rows = await tx.raw.fetch(
            "select fhir_user, interaction, entity from record.audit where patient = $1 order by at, id", one.patient
        )
    return [(row["fhir_user"], row["interaction"], row["entity"]) for row in rows]


async def test_doctor_judges_and_finishes(migrated: Settings) -> None:
    """The doctor's operations answer with the Encounter as it stands, with its version, and are recorded."""
    one = await under_way(migrated)
    async with running("consult", migrated) as door:
        judged = await operate(door, migrated, one, "$confirm-follow-up", one.doctor, JUDGED)
        finished = await operate(door, migrated, one, "$finish", one.doctor)
    assert (judged.status, judged.headers["etag"]) == (200, 'W/"3"')
    assert judged.json["extension"][1]["url"] == extension("follow-up")
    assert (finished.status, finished.json["status"], finished.headers["etag"]) == (200, "finished", 'W/"4"')
    name = f"Encounter/{one.encounter}"
    assert await recorded(migrated, one) == [
        (one.practitioner, "$confirm-follow-up", name),
        (one.practitioner, "$finish", name),
    ]


async def test_visit_in_clinic_is_started(migrated: Settings) -> None:
    """A video visit refuses $start and says what begins it; the refusal changes and records nothing."""
    one = await called(migrated)
    async with running("consult", migrated) as door:
        answer = await operate(door, migrated, one, "$start", one.doctor)
    assert (answer.status, answer.codes) == (409, ["starts-by-joining"])
    assert (await encounter_of_visit(migrated, one)).version == 1
    assert await recorded(migrated, one) == []


async def test_operations_are_for_doctors(migrated: Settings) -> None:
    """A patient may not judge or finish; an unreadable judgement is refused with a sentence."""
    one = await under_way(migrated)
    unreadable = {"resourceType": "Parameters", "parameter": [{"name": "is-follow-up", "valueString": "yes"}]}
    async with running("consult", migrated) as door:
        assert (await operate(door, migrated, one, "$finish", one.person)).status == 403
        assert (await operate(door, migrated, one, "$confirm-follow-up", one.person, JUDGED)).status == 403
        for body in (unreadable, {"resourceType": "Parameters"}, None):
            answer = await operate(door, migrated, one, "$confirm-follow-up", one.doctor, body)
            assert answer.status == 400
    assert (await encounter_of_visit(migrated, one)).version == 2


async def test_command_sent_twice(migrated: Settings) -> None:
    """A message sent twice with one Idempotency-Key is written once, and answered the same both times."""
    one = await under_way(migrated)
    async with running("consult", migrated) as door:
        token, body = token_of(migrated, one.person), message(one, one.person)
        answers = [
            await door.ask("POST", "/fhir/Communication", token=token, body=body, idempotency_key="k-1")
            for _ in range(2)
        ]
        found = await door.ask("GET", f"/fhir/Communication?encounter=Encounter/{one.encounter}", token=token)
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(found.json["entry"]) == 1


async def test_chat_is_read_by_both(migrated: Settings) -> None:
    """Both read the visit's messages in order of sending; another patient finds none of them."""
    one = await under_way(migrated)
    query = f"/fhir/Communication?encounter=Encounter/{one.encounter}&_sort=sent"
    async with running("consult", migrated) as door:
        for by, text in ((one.person, "您好"), (one.doctor, "您好，请讲")):
            answer = await door.ask(
                "POST", "/fhir/Communication", token=token_of(migrated, by), body=message(one, by, text)
            )
            assert answer.status == 201
        for by in (one.person, one.doctor):
            found = await door.ask("GET", query, token=token_of(migrated, by))
            texts = [entry["resource"]["payload"][0]["contentString"] for entry in found.json["entry"]]
            assert texts == ["您好", "您好，请讲"]
        stranger = await door.ask("GET", query, token=token_of(migrated, one.stranger))
        assert "entry" not in stranger.json


async def test_emr_01_messages_are_kept(migrated: Settings) -> None:
    """A message can be neither rewritten nor deleted, and the refusal names the rule."""
    one = await under_way(migrated)
    async with running("consult", migrated) as door:
        token = token_of(migrated, one.person)
        sent = await door.ask("POST", "/fhir/Communication", token=token, body=message(one, one.person))
        path = f"/fhir/Communication/{sent.json['id']}"
        changed = {**sent.json, "payload": [{"contentString": "something else"}]}
        refused = [
            await door.ask("PUT", path, token=token, body=changed),
            await door.ask("DELETE", path, token=token),
        ]
        kept = await door.ask("GET", path, token=token)
    for answer in refused:
        assert answer.status == 405
        assert "EMR-01" in answer.json["issue"][0]["diagnostics"]
    assert kept.json["payload"] == [{"contentString": "医生您好"}]


async def test_encounters_change_by_operations_alone(migrated: Settings) -> None:
    """Nobody writes an Encounter directly, not even its doctor or a system; the refusal says what to use."""
    one = await under_way(migrated)
    path = f"/fhir/Encounter/{one.encounter}"
    body = (await encounter_of_visit(migrated, one)).resource
    async with running("consult", migrated) as door:
        for by in (one.doctor, principal(Role.SYSTEM)):
            token = token_of(migrated, by)
            for answer in (
                await door.ask("POST", "/fhir/Encounter", token=token, body=body),
                await door.ask("PUT", path, token=token, body={**body, "status": "finished"}),
                await door.ask("DELETE", path, token=token),
            ):
                assert answer.status == 405
                assert "$finish" in answer.json["issue"][0]["diagnostics"]
    assert (await encounter_of_visit(migrated, one)).version == 2


async def test_encounter_by_appointment(migrated: Settings) -> None:
    """A patient finds the visit by its appointment, and the doctor too."""
    one, _ = await called(migrated), await booked(migrated)
    async with running("consult", migrated) as door:
        for by in (one.person, one.doctor):
            path = f"/fhir/Encounter?appointment=Appointment/{one.appointment}"
            found = await door.ask("GET", path, token=token_of(migrated, by))
            assert [entry["resource"]["id"] for entry in found.json["entry"]] == [one.encounter]


async def test_capabilities_say_what_is_served(migrated: Settings) -> None:
    """The room's CapabilityStatement lists the operations and no interaction that is refused to everybody."""
    async with running("consult", migrated) as door:
        said = orjson.loads((await door.ask("GET", "/fhir/metadata")).body)
    served = {one["type"]: one for one in said["rest"][0]["resource"]}
    operations = {operation["name"] for operation in served["Encounter"]["operation"]}
    assert operations == {"start", "confirm-follow-up", "finish", "validate"}
    interactions = {type_: {i["code"] for i in one["interaction"]} for type_, one in served.items()}
    assert interactions["Encounter"].isdisjoint({"create", "update", "delete"})
    assert "create" in interactions["Communication"]
    assert interactions["Communication"].isdisjoint({"update", "delete"})
