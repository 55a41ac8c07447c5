"""Transactions that are refused, what they say, and what their senders do not reach."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from kernel.settings import Settings
from record.bundles import transaction as transaction_module
from record.rest import fhir_routes
from tests.record.bundles import (
    ACCOUNTS,
    MRN,
    ask,
    basic,
    fresh,
    observation,
    patient,
    places,
    post,
    put,
    reference,
    statuses,
    transact,
    transaction,
    urn,
)
from tests.support.postgres import database_of
from tests.support.record import RoomDoor, door_of


@pytest.fixture
async def patients(record: Settings) -> AsyncIterator[RoomDoor]:
    """The patients room with plain writes."""
    async with door_of("patients", record, routers=fhir_routes("patients"), accounts=ACCOUNTS) as door:
        yield door


async def test_conditional_references_that_fit_none_or_several_are_refused(patients: RoomDoor) -> None:
    """The entry is named, and nothing is written."""
    twice = fresh()
    await transact(patients, post(patient(twice)), post(patient(twice)))
    several = await transact(patients, post(patient()), post(basic(f"Patient?identifier={MRN}|{twice}")))
    none = await transact(patients, post(basic(f"Patient?identifier={MRN}|{fresh()}")), post(patient()))
    assert (several.status, places(several)) == (412, ["Bundle.entry[1]"])
    assert (none.status, places(none)) == (412, ["Bundle.entry[0]"])
    assert none.codes == ["target-unclear"]


async def test_one_resource_is_changed_by_one_entry(patients: RoomDoor) -> None:
    """Two entries for one resource, by id, by criteria or by both, are refused and both named."""
    value = fresh()
    who = reference(await transact(patients, post(patient(value))), 0)
    body, criteria = {**patient(value), "id": who.partition("/")[2]}, f"identifier={MRN}|{value}"
    new = f"identifier={MRN}|{fresh()}"
    pairs = [
        (put(body), ask("DELETE", who)),
        (put(body), put(patient(value), f"Patient?{criteria}")),
        (post(patient(), ifNoneExist=new), post(patient(), ifNoneExist=new)),
    ]
    for pair in pairs:
        refused = await transact(patients, *pair)
        assert (refused.status, refused.codes) == (400, ["entries-collide"] * 2), refused.body
        assert sorted(places(refused)) == ["Bundle.entry[0]", "Bundle.entry[1]"]


async def test_creates_that_turn_out_to_be_one_are_refused(patients: RoomDoor) -> None:
    """Of two conditional creates by different criteria, the second would be what the first made: both are named."""
    value = fresh()
    refused = await transact(
        patients,
        post({**patient(value), "active": True}, ifNoneExist=f"identifier={MRN}|{value}&active=true"),
        post({**patient(value), "active": True}, ifNoneExist=f"identifier={MRN}|{value}"),
    )
    assert (refused.status, refused.codes) == (400, ["entries-collide"] * 2)


async def test_a_patient_reaches_nobody_else(patients: RoomDoor) -> None:
    """Reads, searches, criteria and conditional references in a patient's transaction see the own record alone."""
    value = fresh()
    made = await transact(
        patients,
        post(patient(value), urn(1)),
        post(basic(urn(1), identifier=[{"system": MRN, "value": value}])),
        post({**observation(urn(1))}),
    )
    note = reference(made, 1)
    own = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": "Patient/tove"},
    }
    for entry in (ask("GET", note), ask("GET", f"{note}/_history/1"), ask("GET", reference(made, 0))):
        refused = await transact(patients, entry, by="tove")
        assert refused.status == 404, refused.body
    found = await transact(patients, ask("GET", f"Basic?identifier={MRN}|{value}"), by="tove")
    assert "entry" not in found.json["entry"][0]["resource"]
    told = {**own, "source": {"reference": f"Patient?identifier={MRN}|{value}"}}
    assert (await transact(patients, post(told), by="tove")).status == 412
    theirs = {**own, "subject": {"reference": reference(made, 0)}}
    assert (await transact(patients, post(theirs), by="tove")).status == 403
    assert statuses(await transact(patients, post(own), ask("GET", "QuestionnaireResponse"), by="tove")) == [
        "201",
        "200",
    ]


async def test_roles_hold_inside_too(patients: RoomDoor) -> None:
    """Whoever may not write a type alone may not in a transaction."""
    for by in ("tove", "admin", "doctor"):
        refused = await transact(patients, post(patient()), by=by)
        assert (refused.status, places(refused)) == (403, ["Bundle.entry[0]"])


async def test_each_entry_is_on_record(patients: RoomDoor, record: Settings) -> None:
    """Every change and read of a transaction has an audit row of its own."""
    request = fresh()
    made = await transact(patients, post(patient(), urn(1)), post(basic(urn(1))), x_request_id=request)
    who = reference(made, 0)
    await transact(patients, ask("GET", who), ask("DELETE", reference(made, 1)), x_request_id=request)
    async with database_of("patients", record, size=1) as database, database.reading() as tx:
        rows = await tx.raw.fetch("select action, type, patient from record.audit where request = $1", request)
    seen = sorted((row["action"], row["type"]) for row in rows)
    assert seen == [("C", "Basic"), ("C", "Patient"), ("D", "Basic"), ("R", "Patient")]
    assert {row["patient"] for row in rows} == {who.partition("/")[2]}


async def test_unreadable_bundles_are_refused(patients: RoomDoor) -> None:
    """Whatever is wrong with a Bundle or an entry, the answer says which and what to do."""
    sound = post(patient())
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"resourceType": "Patient"}, "bundle-unreadable"),
        ({"resourceType": "Bundle", "type": "collection"}, "bundle-unreadable"),
        ({**transaction(sound), "total": 1}, "bundle-unreadable"),
        ({**transaction(sound), "entry": {}}, "bundle-unreadable"),
        (transaction({"resource": patient()}), "entry-unreadable"),
        (transaction(ask("TRACE", "Patient/1")), "entry-unreadable"),
        (transaction(ask("GET", "")), "entry-unreadable"),
        (transaction(ask("GET", "Patient/a b")), "entry-unreadable"),
        (transaction(ask("PUT", "Patient/1")), "entry-unreadable"),
        (transaction({**sound, "request": {"method": "DELETE", "url": "Patient/1"}}), "entry-unreadable"),
        (transaction(post(patient(), urn(1)), post(patient(), urn(1))), "entry-unreadable"),
        (transaction(ask("GET", "Nothing/1")), "entry-not-offered"),
        (transaction(ask("GET", "Patient/1/$everything")), "entry-not-offered"),
        (transaction(ask("DELETE", "Patient")), "criteria-missing"),
        (transaction(post(patient(), ifNoneExist="")), "criteria-missing"),
        (transaction(post(patient(), ifNoneExist="nonsense=1")), "parameter-unknown"),
        (transaction(put({**patient(), "id": "1"}, "Patient/1/_history/1")), "entry-unreadable"),
        ({**transaction(), "type": "batch"}, "entry-not-offered"),
    ]
    for body, code in wrong:
        answer = await patients.ask("POST", "/fhir", by="system", body=body)
        assert 400 <= answer.status < 500, answer.body
        assert answer.codes[0] == code, (body, answer.body)
    for raw in (b"", b"[]", b'{"resourceType":"Bundle"', b"[" * 100_000, b'{"resourceType":"\xff"}'):
        answer = await patients.ask("POST", "/fhir", by="system", body=raw, content_type="application/fhir+json")
        assert answer.status in {400, 415}


async def test_too_many_conditional_references_are_refused(patients: RoomDoor) -> None:
    """A resource full of searches is answered before the database is asked all of them."""
    value = fresh()
    await transact(patients, post(patient(value)))
    many = [{"reference": f"Patient?identifier={MRN}|{value}&_lastUpdated=gt{1000 + n}"} for n in range(501)]
    extended = [{"url": "https://x.example/seen", "valueReference": one} for one in many]
    answer = await transact(patients, post(basic("Patient/tove", extension=extended)))
    assert (answer.status, answer.codes, places(answer)) == (413, ["bundle-too-large"], ["Bundle.entry[0]"])


async def test_too_many_entries_are_refused_at_once(patients: RoomDoor) -> None:
    """Ten thousand entries are answered without one of them being read."""
    many = transaction(*(ask("GET", "Nonsense nonsense") for _ in range(10_000)))
    answer = await patients.ask("POST", "/fhir", by="system", body=many)
    assert (answer.status, answer.codes, places(answer)) == (413, ["bundle-too-large"], ["Bundle.entry"])


async def test_a_name_that_stands_twice_is_refused_though_a_link_is_rewritten(patients: RoomDoor) -> None:
    """The entry is named, and nothing is written."""
    value, body = fresh(), basic(urn(1))
    sent = orjson.dumps(transaction(post(patient(value), urn(1)), post(body)))
    doubled = sent.replace(b'"subject"', b'"subject":{"reference":"Patient/other"},"subject"')
    answer = await patients.ask("POST", "/fhir", by="system", body=doubled)
    assert (answer.status, answer.codes, places(answer)) == (400, ["resource-invalid"], ["Bundle.entry[1]"])
    assert await _none_has(patients, value)


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        (b'"type":"transaction"', b'"type":"transaction","entry":[]'),
        (b'"type":"transaction"', b'"type":"batch","type":"transaction"'),
        (b'"resource":', b'"resource":{"resourceType":"Basic"},"resource":'),
        (b'"request":', b'"request":{"method":"DELETE","url":"Patient/x"},"request":'),
        (b'"method":', b'"method":"PUT","m\\u0065thod":'),
    ],
)
async def test_nothing_in_a_bundle_is_told_twice(patients: RoomDoor, once: bytes, twice: bytes) -> None:
    """Of two lists of entries, two resources or two requests none is taken for the other."""
    value = fresh()
    sent = orjson.dumps(transaction(post(patient(value))))
    assert once in sent
    answer = await patients.ask("POST", "/fhir", by="system", body=sent.replace(once, twice))
    assert (answer.status, answer.codes[0]) in {(400, "bundle-unreadable"), (400, "entry-unreadable")}
    assert await _none_has(patients, value)


async def test_a_transaction_that_takes_too_long_leaves_nothing(
    patients: RoomDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand slow searches in one Bundle do not hold a connection for an hour: it ends, all undone."""
    monkeypatch.setattr(transaction_module, "SECONDS_AT_MOST", 0)
    value = fresh()
    answer = await transact(patients, post(patient(value)), ask("GET", "Patient?name:contains=x"))
    assert (answer.status, answer.codes) == (503, ["took-too-long"])
    assert await _none_has(patients, value)


async def _none_has(patients: RoomDoor, value: str) -> bool:
    found = await patients.ask("GET", f"/fhir/Patient?identifier={MRN}|{value}", by="system")
    return "entry" not in found.json
