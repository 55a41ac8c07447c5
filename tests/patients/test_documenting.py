"""Tests of documents of earlier visits: what patients may bring along, and what becomes of it."""

import base64
from typing import Any

import orjson
import pytest

from kernel.auth.principal import Principal
from kernel.failures import Failure
from kernel.ids import CountedIds
from kernel.settings import Settings
from record import read, write
from record.canonical import ICD_10
from record.failures import NotYours, ResourceDeleted
from record.stored import Stored
from record.validation.checking import check
from record.visible import Everything
from services.patients import attachment, documenting, policy
from services.patients.failures import (
    AttachmentUnusable,
    DocumentInUse,
    DocumentNotYours,
    DocumentStands,
    UploadUnusable,
)
from tests.support.rooms import running, token_of
from tests.support.visits import NOW, Booked, appointment_resource, booked, prior_record, transaction, under_way

ids = CountedIds("upload")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def enter(settings: Settings, resource: dict[str, Any], by: Principal) -> Stored:
    async with transaction("patients", settings) as tx:
        return await documenting.enter(tx, resource, orjson.dumps(resource), id=ids.new(), by=by, now=NOW)


async def remove(settings: Settings, id: str, by: Principal) -> Stored:
    async with transaction("patients", settings) as tx:
        return await documenting.remove(tx, id=id, expected=None, by=by, now=NOW)


async def change(settings: Settings, resource: dict[str, Any], by: Principal) -> Stored:
    async with transaction("patients", settings) as tx:
        body = orjson.dumps(resource)
        return await documenting.change(tx, resource, body, id=resource["id"], expected=None, by=by, now=NOW)


def holding(content: bytes, kind: str, **more: Any) -> dict[str, Any]:
    """An attachment."""
    return {"contentType": kind, "data": base64.b64encode(content).decode(), **more}


async def test_patient_brings_a_record(migrated: Settings) -> None:
    """A patient's earlier record is kept under the own name; the doctor of the clinic reads it."""
    one = await booked(migrated)
    stored = await enter(migrated, prior_record(one.patient, "I10"), one.person)
    body = check(stored.body, type="DocumentReference")
    assert body["author"] == [{"reference": f"Patient/{one.patient}"}]
    assert body["date"] == "2026-11-25T01:30:00+00:00"
    async with running("patients", migrated) as door:
        seen = await door.ask("GET", f"/fhir/{stored.reference}", token=token_of(migrated, one.doctor))
        hidden = await door.ask("GET", f"/fhir/{stored.reference}", token=token_of(migrated, one.stranger))
    assert (seen.status, seen.body, hidden.status) == (200, stored.body, 404)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"status": "superseded"}, "status"),
        ({"category": []}, "category"),
        ({"category": [{"coding": [{"system": "http://loinc.org", "code": "prior-visit"}]}]}, "category"),
        ({"author": [{"reference": "Practitioner/doctor-001"}]}, "author"),
        ({"authenticator": {"reference": "Practitioner/doctor-001"}}, "authenticator"),
        ({"custodian": {"reference": "Organization/hospital-1"}}, "custodian"),
        ({"context": {"event": []}}, "context.event"),
        ({"context": {"event": [{"coding": [{"system": ICD_10, "code": "X99.9"}]}]}}, "context.event"),
    ],
)
async def test_unusable_uploads(migrated: Settings, changes: dict[str, Any], place: str) -> None:
    """A patient's record that speaks for a hospital, or says no known diagnosis, is refused with the place named."""
    one = await booked(migrated)
    with pytest.raises(UploadUnusable) as refused:
        await enter(migrated, {**prior_record(one.patient, "I10"), **changes}, one.person)
    assert refused.value.expression == f"DocumentReference.{place}"


async def test_other_peoples_records(migrated: Settings) -> None:
    """Nobody writes into a record that is not their own or in their clinic's care."""
    one, other = await booked(migrated), await booked(migrated)
    for by in (other.person, other.doctor):
        with pytest.raises(NotYours):
            await enter(migrated, prior_record(one.patient, "I10"), by)


@pytest.mark.parametrize(
    "attached",
    [
        holding(b"GIF89a", "image/gif"),
        holding(b"<html></html>", "text/html"),
        holding(b"not a picture", "image/png"),
        holding(b"%PD", "application/pdf"),
        holding(b"\xff\xfe\x00a", "text/plain"),
        holding(b"", "text/plain"),
        holding(b"a" * (policy.LARGEST_UPLOAD + 1), "text/plain"),
        holding(PNG, "image/png", size=7),
        {"contentType": "image/png", "url": "https://elsewhere.example/picture.png"},
        holding(PNG, "image/png", url="https://elsewhere.example/picture.png"),
        {"contentType": "text/plain", "data": "***"},
        {"data": "YQ=="},
    ],
)
def test_unusable_attachments(attached: dict[str, Any]) -> None:
    """Only small files of plain kinds that are what they say they are can be attached; no addresses."""
    assert not attachment.is_usable(attached)


@pytest.mark.parametrize(
    "attached",
    [
        holding(PNG, "image/png", size=len(PNG)),
        holding(b"\xff\xd8\xff\xe0" + bytes(9), "image/jpeg"),
        holding(b"%PDF-1.7 ...", "application/pdf"),
        holding("门诊病历".encode(), "text/plain;charset=utf-8"),
        holding(b"a" * policy.LARGEST_UPLOAD, "text/plain"),
    ],
)
def test_usable_attachments(attached: dict[str, Any]) -> None:
    """PDF, PNG, JPEG and text up to 1 MiB can be attached."""
    assert attachment.is_usable(attached)


async def test_every_attachment_is_checked(migrated: Settings) -> None:
    """One bad attachment among good ones is enough to refuse a document, from a doctor too."""
    one = await booked(migrated)
    document = prior_record(one.patient, "I10")
    document["content"].append({"attachment": holding(b"<html>", "text/html")})
    for by in (one.person, one.doctor):
        with pytest.raises(AttachmentUnusable):
            await enter(migrated, document, by)


async def test_emr_01_taking_a_document_back(migrated: Settings) -> None:
    """Patients take back what they brought and no booking has; its versions stay."""
    one = await booked(migrated)
    stored = await enter(migrated, prior_record(one.patient, "I10"), one.person)
    await remove(migrated, stored.id, one.person)
    async with transaction("patients", migrated) as tx:
        with pytest.raises(ResourceDeleted):
            await read.read(tx, "DocumentReference", stored.id, visible=Everything())
        kept = await read.vread(tx, "DocumentReference", stored.id, 1, visible=Everything())
    assert kept.body == stored.body


async def test_document_of_a_booking_stays(migrated: Settings) -> None:
    """A document that a booking refers to cannot be taken back, however many other bookings there are."""
    one = await booked(migrated)
    stored = await enter(migrated, prior_record(one.patient, "I10"), one.person)
    with_it = appointment_resource(one) | {"supportingInformation": [{"reference": stored.reference}]}
    await _book(migrated, one, with_it)
    with pytest.raises(DocumentInUse):
        await remove(migrated, stored.id, one.person)


async def test_documents_of_others_stay(migrated: Settings) -> None:
    """A patient takes back nothing a hospital entered, and a doctor nothing a patient or a colleague entered."""
    one = await under_way(migrated)
    mine = await enter(migrated, prior_record(one.patient, "I10"), one.doctor)
    theirs = await enter(migrated, prior_record(one.patient, "I10"), one.person)
    for id_, by in ((mine.id, one.person), (mine.id, one.colleague), (theirs.id, one.doctor)):
        with pytest.raises(DocumentNotYours):
            await remove(migrated, id_, by)
    assert one.document
    with pytest.raises(DocumentNotYours):
        await remove(migrated, one.document, one.person)


async def test_what_a_document_says_stays(migrated: Settings) -> None:
    """The author marks a document as an error; its content, diagnosis and patient cannot be rewritten."""
    one = await booked(migrated)
    stored = await enter(migrated, prior_record(one.patient, "I10"), one.person)
    other = {"event": [{"coding": [{"system": ICD_10, "code": "E11"}]}]}
    refusals: list[tuple[dict[str, Any], Principal, type[Failure]]] = [
        ({"context": other}, one.person, DocumentStands),
        ({"content": [{"attachment": holding(PNG, "image/png")}]}, one.person, DocumentStands),
        ({"status": "entered-in-error"}, one.doctor, DocumentNotYours),
    ]
    for changes, by, refusal in refusals:
        with pytest.raises(refusal):
            await change(migrated, {**stored.resource, **changes}, by)
    marked = await change(migrated, {**stored.resource, "status": "entered-in-error"}, one.person)
    assert (marked.version, marked.resource["status"]) == (2, "entered-in-error")


async def test_documents_over_http(migrated: Settings) -> None:
    """A patient brings, finds and takes back a document; a broken one is refused by schema, a large one by size."""
    one = await booked(migrated, diagnosis=None)
    async with running("patients", migrated) as door:
        token = token_of(migrated, one.person)
        path = "/fhir/DocumentReference"
        brought = await door.ask("POST", path, token=token, body=prior_record(one.patient, "I10"))
        assert brought.status == 201, brought.body
        found = await door.ask("GET", f"{path}?patient=Patient/{one.patient}", token=token)
        assert [entry["resource"]["id"] for entry in found.json["entry"]] == [brought.json["id"]]
        broken = await door.ask("POST", path, token=token, body={**prior_record(one.patient, "I10"), "status": "good"})
        large = await door.ask("POST", path, token=token, body=prior_record(one.patient, "I10", content=b"a" * 1048577))
        deleted = await door.ask("DELETE", f"{path}/{brought.json['id']}", token=token)
        gone = await door.ask("GET", f"{path}/{brought.json['id']}", token=token)
        past = await door.ask("GET", f"{path}/{brought.json['id']}/_history/1", token=token)
    assert (broken.status, large.status, large.codes) == (400, 422, ["attachment-unusable"])
    assert (deleted.status, gone.status, past.status) == (204, 410, 200)


async def _book(settings: Settings, one: Booked, resource: dict[str, Any]) -> None:
    async with transaction("appointments", settings) as tx:
        rows = [(f"{one.appointment}-{n}", appointment_resource(one)) for n in range(210)]
        await write.create_many(tx, rows, now=NOW)
        await write.create(tx, resource, id=f"{one.appointment}-last", now=NOW)
