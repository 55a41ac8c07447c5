"""The doctor's signature: believed only over the exact bytes, by the own enrolled key, on the day."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc.jwk import ECKey
from joserfc.util import json_b64encode

from kernel.failures import Failure
from kernel.settings import Settings
from record import read
from record.failures import ResourceUnknown
from record.validation import checking as validation
from record.visible import Everything, OfClinics, OnlyPatient
from services.pharmacy import failures, signature, store
from services.pharmacy.failures import (
    KeyForeign,
    KeyNotEnrolled,
    KeyRevoked,
    KeysAway,
    NotPrepared,
    PreparedStale,
    SessionNotLive,
    SignatureUnreadable,
    SignatureWrong,
    SigningDayDiffers,
)
from services.pharmacy.signature import SigningKey
from services.pharmacy.store import Prepared
from tests.pharmacy.hospital import Hospital, opened
from tests.pharmacy.steps import seen, visit_becomes


async def drafts_of(hospital: Hospital) -> list[str]:
    """Status of every line of the hospital's group."""
    async with hospital.database.reading() as tx:
        rows = await tx.raw.fetch(
            "select body from record.medicationrequest where patient = $1", hospital.named("patient")
        )
    return [orjson.loads(row["body"])["status"] for row in rows]


async def test_signing_brings_order_lines_and_proof(migrated: Settings) -> None:
    """After signing the lines are active and equal the document's, a Task waits at the hospital's pharmacy, and a
    Provenance holds the signature."""
    async with opened(migrated) as hospital:
        await hospital.draft("amlodipine", "metformin")
        prepared = await hospital.prepare()
        text = hospital.signature(prepared.document)
        signed = await hospital.sign(text)
        async with hospital.database.reading() as tx:
            order = await store.order(tx, signed.task.id)
            assert await store.document(tx, order.prescription) == prepared.document
    task = signed.task.resource
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("requested", "submitted")
    assert task["owner"]["reference"] == hospital.ref("Organization", "hospital-pharmacy")
    assert task["restriction"]["period"]["end"] == "2026-03-03T00:00:00+08:00"
    assert {one["reference"] for one in task["basedOn"]} == {line.reference for line in signed.lines}
    in_document = {
        entry["resource"]["id"]: entry["resource"] for entry in orjson.loads(prepared.document)["entry"][1:3]
    }
    for line in signed.lines:
        resource = {name: value for name, value in line.resource.items() if name != "meta"}
        assert resource == in_document[line.id]
    proof = signed.provenance.resource
    assert {one["reference"] for one in proof["target"]} == {f"{line.reference}/_history/2" for line in signed.lines}
    assert proof["entity"][0]["what"]["identifier"]["value"] == prepared.digest
    assert proof["agent"][0]["who"]["reference"] == hospital.doctor().fhir_user
    assert proof["signature"][0]["sigFormat"] == "application/jose"
    for one in (signed.task, signed.provenance, *signed.lines):
        validation.check(one.body, type=one.type)


async def test_who_sees_a_submitted_prescription(migrated: Settings) -> None:
    """The hospital's pharmacy, the patient and the clinic see it; no other pharmacy, patient or clinic does."""
    async with opened(migrated) as hospital:
        signed = await hospital.submitted()
        everything = (signed.task, signed.provenance, *signed.lines)
        async with hospital.database.reading() as tx:
            around = [
                await read.read(tx, type, hospital.named(name), visible=Everything())
                for type, name in (
                    ("Patient", "patient"),
                    ("Encounter", "visit"),
                    ("Condition", "hypertension"),
                    ("AllergyIntolerance", "penicillin"),
                )
            ]
            for visible in (OnlyPatient(hospital.named("patient")), OfClinics(hospital.doctor().clinics)):
                await read.read(tx, "Task", signed.task.id, visible=visible)
            for visible in (OnlyPatient("somebody-else"), OfClinics(("HealthcareService/elsewhere",))):
                with pytest.raises(ResourceUnknown):
                    await read.read(tx, "Task", signed.task.id, visible=visible)
        assert all(await seen(hospital, "hospital-pharmacy", *everything, *around))
        assert not any(await seen(hospital, "corner", *everything, *around))


@pytest.mark.parametrize(
    "tamper", [lambda d: d.replace(b"7.50", b"75.0"), lambda d: d + b" ", lambda d: d[:-1], lambda d: b""]
)
async def test_tampered_bytes_are_refused(migrated: Settings, tamper: Callable[[bytes], bytes]) -> None:
    """A signature over anything but the prepared bytes changes nothing (SIG-01)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        with pytest.raises(SignatureWrong):
            await hospital.sign(hospital.signature(tamper(prepared.document)))
        assert await drafts_of(hospital) == ["draft"]


async def test_every_flipped_bit_of_the_signature_is_refused(migrated: Settings) -> None:
    """Changing one character anywhere in the signature makes it wrong or unreadable, never accepted."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        text = hospital.signature((await hospital.prepare()).document)
        for place in range(0, len(text), 9):
            other = "A" if text[place] != "A" else "B"
            with pytest.raises((SignatureWrong, SignatureUnreadable, KeyNotEnrolled, SigningDayDiffers)):
                await hospital.sign(text[:place] + other + text[place + 1 :])
        assert await drafts_of(hospital) == ["draft"]


@pytest.mark.parametrize("hours", [-13, 12, 36])
async def test_signing_belongs_to_the_day_of_writing(migrated: Settings, hours: int) -> None:
    """A signature dated on another day of the hospital's calendar is refused (RX-01)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        wrong_day = hospital.clock.now() + timedelta(hours=hours)
        with pytest.raises(SigningDayDiffers):
            await hospital.sign(hospital.signature(prepared.document, at=wrong_day))


async def test_what_was_prepared_yesterday_is_not_signed_today(migrated: Settings) -> None:
    """Neither the date in the header nor the server's clock may leave the day."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        backdated = hospital.signature(prepared.document)
        hospital.clock.advance(timedelta(hours=13))
        for text in (backdated, hospital.signature(prepared.document)):
            with pytest.raises(SigningDayDiffers):
                await hospital.sign(text)


async def test_revoked_foreign_and_unknown_keys(migrated: Settings) -> None:
    """A revoked key, a key another doctor enrolled and a key nobody enrolled sign nothing."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        text = hospital.signature(prepared.document)
        hospital.is_revoked = True
        with pytest.raises(KeyRevoked):
            await hospital.sign(text)
        hospital.is_revoked, hospital.holder = False, hospital.ref("Practitioner", "colleague")
        with pytest.raises(KeyForeign):
            await hospital.sign(text)
        hospital.holder = ""
        with pytest.raises(KeyNotEnrolled):
            await hospital.sign(hospital.signature(prepared.document, key=ECKey.generate_key("P-256")))
        stolen = ECKey.generate_key("P-256")
        with pytest.raises(SignatureWrong):
            await hospital.sign(hospital.signature(prepared.document, key=stolen, kid=hospital.key.thumbprint()))
        assert await drafts_of(hospital) == ["draft"]
        await hospital.sign(text)


async def test_a_key_that_is_not_the_one_named_is_not_believed(migrated: Settings) -> None:
    """Whatever identity answers, the key must have the thumbprint under which it was enrolled (RFC 7638)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        kid, swapped = hospital.key.thumbprint(), ECKey.generate_key("P-256")
        offered = signature.read(hospital.signature(prepared.document, key=swapped, kid=kid))
        answered = SigningKey(kid, dict(swapped.as_dict(private=False)), prepared.prescriber, False)
        with pytest.raises(SignatureWrong):
            signature.check(offered, prepared, answered, now=hospital.clock.now())


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"jwk": {}},
        {"crit": ["b64"], "b64": False},
        {"iat": 1.5},
        {"iat": "1"},
        {"iat": -1},
        {"kid": "x"},
    ],
)
async def test_headers_that_promise_more_are_not_read(migrated: Settings, header: dict[str, Any]) -> None:
    """Another algorithm, an embedded key, critical extensions and odd dates are refused before any key is asked for."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        document = (await hospital.prepare()).document
        sound = hospital.signature(document)
        claims = {"alg": "ES256", "kid": hospital.key.thumbprint(), "iat": int(hospital.clock.now().timestamp())}
        encoded = _encoded(claims | header)
        with pytest.raises(SignatureUnreadable):
            await hospital.sign(f"{encoded}..{sound.rpartition('.')[2]}")


@pytest.mark.parametrize(
    "text", ["", "..", "a.b.c", "a..b", "é..é", "e30.." + "A" * 86, "W10.." + "A" * 86, "a" * 9000]
)
async def test_what_is_no_signature(migrated: Settings, text: str) -> None:
    """Anything that is not a detached compact JWS is unreadable, not a fault of ours."""
    async with opened(migrated) as hospital:
        with pytest.raises(SignatureUnreadable):
            await hospital.sign(text)


async def test_lines_changed_after_preparing_are_not_signed(migrated: Settings) -> None:
    """A line added after the doctor saw the document makes the signature stale."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        await hospital.draft("metformin")
        with pytest.raises(PreparedStale):
            await hospital.sign(hospital.signature(prepared.document))
        assert await drafts_of(hospital) == ["draft", "draft"]


async def test_rules_hold_at_signing_too(migrated: Settings) -> None:
    """A visit that ended between preparing and signing yields no prescription (TELE-08)."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared = await hospital.prepare()
        await visit_becomes(hospital, migrated, status="finished")
        with pytest.raises(SessionNotLive):
            await hospital.sign(hospital.signature(prepared.document))


async def test_a_prescription_is_signed_once(migrated: Settings) -> None:
    """The same signature again finds nothing prepared, and only one order stands."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        text = hospital.signature((await hospital.prepare()).document)
        await hospital.sign(text)
        with pytest.raises(NotPrepared):
            await hospital.sign(text)


async def test_another_doctor_finds_nothing_to_sign(migrated: Settings) -> None:
    """What was prepared waits for its own doctor alone."""
    async with opened(migrated) as hospital:
        await hospital.draft()
        prepared: Prepared = await hospital.prepare()
        with pytest.raises(NotPrepared):
            await hospital.sign(hospital.signature(prepared.document), by=hospital.doctor("colleague"))


async def test_decisions_name_pack_and_bytes(migrated: Settings) -> None:
    """Each decision keeps stage, rules, pack version and the digest of what was decided on."""
    async with opened(migrated) as hospital:
        signed = await hospital.submitted()
        await hospital.review(signed.task.id)
        await hospital.choose(signed.task.id)
        async with hospital.database.reading() as tx:
            order = await store.order(tx, signed.task.id)
            digest = await store.digest(tx, order.prescription)
            rows = await tx.raw.fetch(
                "select stage, outcome, rule_pack, rule_version, digest, rules from pharmacy.decision"
                " where prescription = $1 order by at, stage",
                order.prescription,
            )
    assert {row["stage"]: row["outcome"] for row in rows} == {
        "prescribe": "pass",
        "sign": "pass",
        "review": "approve",
        "release": "pass",
    }
    assert {(row["rule_pack"], row["rule_version"], row["digest"]) for row in rows} == {
        ("cn-online-prescription", "2026.1", digest)
    }
    assert {row["stage"]: row["rules"] for row in rows}["release"] == ["RX-12"]


def _encoded(header: dict[str, Any]) -> str:
    return json_b64encode(header).decode()


def test_every_refusal_names_its_rule() -> None:
    """A failure of a rule of law says the rule and its source where the doctor reads it."""
    named = [one for one in vars(failures).values() if isinstance(one, type) and issubclass(one, Failure)]
    lawful = [one for one in named if one.code.split("-")[0] in {"rx", "tele", "o2o", "sig"}]
    assert len(lawful) > 20
    for one in lawful:
        rule = "-".join(one.code.split("-")[:2]).upper()
        assert f"({rule}," in one().message, one.code


async def test_keys_are_asked_of_identity_in_the_doctors_name(migrated: Settings) -> None:
    """Identity's answer becomes a key, its 404 none, and anything else "sign again in a moment"."""
    answers = {
        "known": web.json_response({"kid": "k", "jwk": {"kty": "EC"}, "holder": "Practitioner/d", "revokedAt": None}),
        "revoked": web.json_response({"kid": "k", "jwk": {}, "holder": "Practitioner/d", "revokedAt": "2026-03-01"}),
        "odd": web.json_response({"kid": "k"}),
        "garbled": web.Response(text="<html>"),
        "broken": web.Response(status=500),
    }
    asked: list[str | None] = []

    async def identity(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return answers.get(request.match_info["kid"], web.Response(status=404))

    app = web.Application()
    app.router.add_get("/identity/signing-keys/{kid}", identity)
    async with TestServer(app) as server:
        fetch = signature.from_identity(Settings(rooms=f"http://127.0.0.1:{server.port}"), "Bearer doctor")
        assert await fetch("known") == SigningKey("k", {"kty": "EC"}, "Practitioner/d", False)
        assert (await fetch("revoked")) == SigningKey("k", {}, "Practitioner/d", True)
        assert await fetch("unknown") is None
        for kid in ("odd", "garbled", "broken"):
            with pytest.raises(KeysAway):
                await fetch(kid)
    assert set(asked) == {"Bearer doctor"}
