"""Bundles at the public door: batches over several rooms, transactions for one, and the import of finished history."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson
import pytest

from kernel.auth.principal import Role
from kernel.settings import Settings
from record import write
from tests.record.bundles import ask, batch, places, post, put, reference, statuses, transaction, urn
from tests.support.postgres import database_of
from tests.support.record import Answer
from tests.support.rooms import principal, running, token_of
from tests.support.visits import NOW

SYSTEM = principal(Role.SYSTEM)
ADMIN = principal(Role.ADMIN, organization="Organization/bundles")
EVE = principal(Role.PATIENT, "Patient/eve-of-bundles")
MRN = "https://hospital.example/mrn"
TAG = "https://bundles.example/tag"


@dataclass(frozen=True, slots=True)
class House:
    """The gateway with two rooms behind it; the others are away."""

    settings: Settings
    http: aiohttp.ClientSession

    async def send(self, body: Any, *, by: Any = SYSTEM, path: str = "/fhir", **headers: str) -> Answer:
        """A POST at the public door."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"content-type": "application/fhir+json", "authorization": f"Bearer {token_of(self.settings, by)}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(f"{self.settings.address}{path}", data=content, headers=sent) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, names, await answer.read())

    async def count(self, table: str, condition: str) -> int:
        """Rows the record has."""
        async with database_of("patients", self.settings, size=1) as database, database.reading() as tx:
            return int(await tx.raw.fetchval(f"select count(*) from {table} where {condition}"))  # noqa: S608 - a test's


@pytest.fixture
async def house(migrated: Settings) -> AsyncIterator[House]:
    """The public door, patients and appointments."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = replace(migrated, port_number=str(free.getsockname()[1]))
    async with AsyncExitStack() as stack:
        for room in ("patients", "appointments", "gateway"):
            await stack.enter_async_context(running(room, settings))
        yield House(settings, await stack.enter_async_context(aiohttp.ClientSession()))


def organization(name: str = "渝中医院") -> dict[str, Any]:
    return {"resourceType": "Organization", "name": name}


def patient(value: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}]}


def basic(subject: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Basic", "code": {"text": "note"}, "subject": {"reference": subject}, **more}


async def test_a_batch_goes_to_many_rooms_and_none_stops_another(house: House) -> None:
    """Each entry is answered for itself, in order: created, refused, unknown, unreadable, and a room that is away."""
    known = reference(await house.send(batch(post(organization()))), 0)
    answer = await house.send(
        batch(
            post(organization()),
            post({**organization(), "active": "yes"}),
            ask("GET", "Patient/nobody"),
            ask("GET", "Nothing/1"),
            {"resource": organization()},
            ask("GET", "Encounter?_count=1"),
            post(patient("batch-1")),
            ask("GET", "Organization?name=%E6%B8%9D"),
            ask("GET", "Organization?name=渝"),
            ask("PUT", "Organization/1"),
            ask("GET", "metadata"),
            ask("GET", "Patient/../Organization"),
            {"request": {"method": "POST", "url": "Appointment/$book"}, "resource": {"resourceType": "Parameters"}},
        )
    )
    codes = ["201", "400", "404", "404", "400", "503", "201", "200", "200", "400", "404", "404", "400"]
    assert statuses(answer) == codes
    assert answer.json["type"] == "batch-response"
    audited = f"request = '{answer.headers['x-request-id']}-6' and action = 'C' and type = 'Patient'"
    assert await house.count("record.audit", audited) == 1
    entries = answer.json["entry"]
    assert entries[0]["response"]["etag"] == 'W/"1"'
    assert entries[0]["resource"]["name"] == organization()["name"]
    assert entries[1]["response"]["outcome"]["issue"][0]["expression"] == ["Organization.active"]
    assert entries[4]["response"]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[4]"]
    for n in (7, 8):
        assert known in {f"Organization/{one['resource']['id']}" for one in entries[n]["resource"]["entry"]}


async def test_conditions_and_preferences_are_handed_on(house: House) -> None:
    """ifMatch, ifNoneMatch, ifNoneExist, PATCH in a Binary and Prefer do in a batch what their headers do alone."""
    who = f"{MRN}|受理-1"
    first = await house.send(batch(post(patient("受理-1"), ifNoneExist=f"identifier={who}")))
    place = reference(first, 0)
    patch = base64.b64encode(b'[{"op":"add","path":"/active","value":true}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": patch}
    second = await house.send(
        batch(
            post(patient("受理-1"), ifNoneExist=f"identifier={who}"),
            ask("GET", place, ifNoneMatch='W/"1"'),
            put({**patient("受理-1"), "id": place.partition("/")[2]}, ifMatch='W/"9"'),
            ask("HEAD", place),
        ),
        prefer="return=minimal",
    )
    assert statuses(second) == ["200", "304", "412", "200"]
    assert ["resource" in entry for entry in second.json["entry"]] == [False] * 4
    patched = await house.send(batch({"resource": binary, "request": {"method": "PATCH", "url": place}}))
    assert statuses(patched) == ["200"]
    assert patched.json["entry"][0]["resource"]["active"] is True
    broken = {**binary, "data": "!"}
    unread = await house.send(batch({"resource": broken, "request": {"method": "PATCH", "url": place}}))
    assert statuses(unread) == ["400"]


async def test_bytes_pass_through_a_batch(house: House) -> None:
    """A decimal is in the record, and in the answer, as its client wrote it."""
    extension = '"extension":[{"url":"http://x.example/d","valueDecimal":1.500e3}]'
    resource = f'{{"resourceType":"Organization","name":"x",{extension}}}'
    entry = f'{{"request":{{"method":"POST","url":"Organization"}},"resource":{resource}}}'
    answer = await house.send(f'{{"resourceType":"Bundle","type":"batch","entry":[{entry}]}}'.encode())
    assert statuses(answer) == ["201"]
    assert b'"valueDecimal":1.500e3' in answer.body


async def test_a_batch_sent_again_with_its_key_changes_nothing(house: House) -> None:
    """Each entry has a key of its own that follows from the batch's."""
    sent = batch(post(organization("key")), post(organization("key")), post(organization("key")))
    first = await house.send(sent, idempotency_key="batch-key")
    again = await house.send(sent, idempotency_key="batch-key")
    assert statuses(first) == statuses(again) == ["201"] * 3
    assert [reference(again, n) for n in range(3)] == [reference(first, n) for n in range(3)]
    assert len({reference(first, n) for n in range(3)}) == 3


async def test_a_batch_is_its_senders_own(house: House) -> None:
    """A patient's batch reaches no more than the patient alone would; nobody's batch is not looked at."""
    made = await house.send(transaction(post(patient("batch-2"), urn(1)), post(basic(urn(1)))))
    note = reference(made, 1)
    answer = await house.send(batch(ask("GET", note), post(patient("x")), ask("GET", "Basic")), by=EVE)
    assert statuses(answer) == ["404", "403", "200"]
    async with house.http.post(f"{house.settings.address}/fhir", data=b"{}") as unsigned:
        assert unsigned.status == 401
    asked = await house.send(batch(), path="/fhir?name=x")
    assert (asked.status, asked.codes) == (400, ["parameter-unknown"])
    assert statuses(await house.send(batch(ask("GET", "Basic")), path="/fhir?_format=json")) == ["200"]


async def test_a_large_batch_is_answered(house: House) -> None:
    """A thousand entries are answered; ten thousand are refused at once with the number that is taken."""
    many = batch(*(ask("GET", "Organization/none") for _ in range(1000)))
    assert statuses(await house.send(many)) == ["404"] * 1000
    for kind in (batch, transaction):
        refused = await house.send(kind(*(ask("GET", "Patient/1") for _ in range(10_000))))
        assert (refused.status, refused.codes) == (413, ["bundle-too-large"])
        assert "1000" in refused.json["issue"][0]["diagnostics"]


async def test_a_transaction_finds_its_room(house: House) -> None:
    """The one owner runs it, shared types ride along; without an owner the room of the patients does."""
    by_appointments = await house.send(transaction(post(organization(), urn(1)), post(basic("Patient/x"))))
    by_patients = await house.send(transaction(post(basic("Patient/x"))), path="/fhir/")
    assert (statuses(by_appointments), statuses(by_patients)) == (["201", "201"], ["201"])


async def test_a_transaction_sent_again_with_its_key_answers_the_same(house: House) -> None:
    """The same bytes, and nothing new."""
    sent = transaction(post(patient("again-1"), urn(1)), post(basic(urn(1))))
    first, again = [await house.send(sent, idempotency_key="transaction-key") for _ in range(2)]
    assert statuses(first) == ["201", "201"]
    assert again.body == first.body
    other = await house.send(transaction(post(basic("Patient/x"))), idempotency_key="transaction-key")
    assert (other.status, other.codes) == (422, ["idempotency-key-reused"])


def encounter(subject: str, status: str = "finished") -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": subject},
        "identifier": [{"system": TAG, "value": "import"}],
    }


def past_visit(subject: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "status": "fulfilled",
        "start": "2020-01-01T08:00:00+08:00",
        "end": "2020-01-01T08:10:00+08:00",
        "participant": [{"actor": {"reference": subject}, "status": "accepted"}],
    }


def prescription(subject: str, status: str = "completed") -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": "aspirin"},
        "subject": {"reference": subject},
    }


def history(value: str) -> list[dict[str, Any]]:
    """A patient's finished history in another system, of five rooms' types."""
    return [
        post(organization("elsewhere"), urn(1)),
        post(patient(value), urn(2)),
        post(encounter(urn(2)), urn(3)),
        post(past_visit(urn(2))),
        post(prescription(urn(2))),
        post({**basic(urn(2)), "author": {"reference": urn(1)}}),
        put({**encounter(urn(2)), "id": f"visit-{value}"}),
    ]


async def test_finished_history_of_all_rooms_is_imported(house: House) -> None:
    """A system brings in a patient with visits, prescriptions and notes: written down, linked, and nothing started."""
    events = await house.count("flow.event", "true")
    answer = await house.send(transaction(*history("import-1")))
    assert statuses(answer) == ["201"] * 7
    who = reference(answer, 1)
    assert [entry["resource"]["subject"]["reference"] for entry in answer.json["entry"][4:]] == [who] * 3
    assert await house.count("flow.event", "true") == events
    audited = f"patient = '{who.partition('/')[2]}' and action = 'C'"
    assert await house.count("record.audit", audited) == 6
    again = await house.send(transaction(put({**encounter(who), "id": "visit-import-1", "language": "zh"})))
    assert statuses(again) == ["200"]


async def test_only_history_is_imported(house: House) -> None:
    """One entry that is not over, a Slot, a change of what is under way, or another role: refused, entries named."""
    live = [
        post(encounter(urn(2), "in-progress")),
        post(prescription(urn(2), "active")),
        post({"resourceType": "Slot", "status": "free", "schedule": {"reference": "Schedule/x"}}),
        ask("DELETE", "Encounter/visit-import-2"),
    ]
    for entry in live:
        refused = await house.send(transaction(*history("import-2"), entry))
        assert (refused.status, set(refused.codes)) == (422, {"several-owners"}), refused.body
        assert {"Bundle.entry[0]", "Bundle.entry[7]"} <= set(places(refused))
    for by in (ADMIN, EVE):
        refused = await house.send(transaction(*history("import-2")), by=by)
        assert (refused.status, set(refused.codes)) == (422, {"several-owners"})
    assert await house.count("record.organization", "convert_from(body, 'UTF8') like '%import-2%'") == 0


async def test_a_type_with_rules_of_its_owner_does_not_ride_along(house: House) -> None:
    """A diagnosis beside another room's change would escape the rules of diagnoses, even for a doctor or a system."""
    doctor = principal(Role.PRACTITIONER, "Practitioner/d", clinics=("HealthcareService/none",))
    diagnosis = {"resourceType": "Condition", "subject": {"reference": "Patient/x"}}
    visit = {**past_visit("Patient/x"), "status": "booked"}
    for by in (doctor, SYSTEM):
        refused = await house.send(transaction(post(visit), post(diagnosis), post(basic("Patient/x"))), by=by)
        assert (refused.status, set(refused.codes)) == (422, {"several-owners"})
        assert places(refused) == ["Bundle.entry[0]", "Bundle.entry[1]"]


async def test_an_import_leaves_what_is_under_way(house: House) -> None:
    """A visit that is going on is not overwritten by history under its id."""
    async with database_of("consult", house.settings, size=1) as database, database.transaction() as tx:
        await write.create(tx, encounter("Patient/x", "in-progress"), id="going-on", now=NOW)
    refused = await house.send(transaction(put({**encounter("Patient/x"), "id": "going-on"})))
    assert (refused.status, refused.codes, places(refused)) == (422, ["not-history"], ["Bundle.entry[0]"])


async def test_a_failing_import_leaves_nothing(house: House) -> None:
    """A fault in the last entry undoes the first, whichever role wrote it."""
    entries = history("import-3")
    refused = await house.send(transaction(*entries, post({**basic(urn(2)), "code": 5})))
    assert (refused.status, places(refused)[0]) == (400, "Bundle.entry[7].resource.code")
    assert await house.count("record.encounter", "id = 'visit-import-3'") == 0
    assert statuses(await house.send(transaction(*entries))) == ["201"] * 7


async def test_two_batches_and_transactions_at_once(house: House) -> None:
    """Many at the same moment are all answered; a conditional create among them makes one patient."""
    entry = post(patient("at-once"), ifNoneExist=f"identifier={MRN}|at-once")
    sent = [kind(entry) for kind in (batch, transaction) for _ in range(4)]
    answers = await asyncio.gather(*(house.send(one) for one in sent))
    assert sorted(statuses(answer)[0] for answer in answers) == ["200"] * 7 + ["201"]
