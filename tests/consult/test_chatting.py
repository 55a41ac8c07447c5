"""Tests of the messages patient and doctor write during a visit."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from kernel.auth.principal import Principal
from kernel.failures import Failure
from kernel.ids import CountedIds
from kernel.settings import Settings
from record import read
from record.canonical import code_system
from record.stored import Stored
from record.visible import Everything
from services.consult import chatting, visiting
from services.consult.failures import ChatClosed, MessageUnusable, NotItsSender
from tests.support.visits import NOW, Booked, booked, called, transaction, under_way

ids = CountedIds("message")


def message(one: Booked, sender: Principal, text: str = "医生您好", **changes: Any) -> dict[str, Any]:
    """A message as the browser sends it; a change to None leaves an element out."""
    body = {
        "resourceType": "Communication",
        "status": "completed",
        "category": [{"coding": [{"system": code_system("communication-category"), "code": "chat"}]}],
        "subject": {"reference": f"Patient/{one.patient}"},
        "encounter": {"reference": f"Encounter/{one.encounter}"},
        "sender": {"reference": sender.fhir_user},
        "payload": [{"contentString": text}],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


async def send(settings: Settings, resource: dict[str, Any], by: Principal) -> tuple[Stored, list[tuple[str, str]]]:
    async with transaction("consult", settings) as tx:
        body = orjson.dumps(resource)
        sent = await chatting.send(tx, resource, body, id=ids.new(), by=by, now=NOW)
        return sent, list(tx.words)


async def test_both_sides_write(migrated: Settings) -> None:
    """Patient and doctor write from the call on; each message says when it was sent, and both sides are told."""
    waiting, begun = await called(migrated), await under_way(migrated)
    for one, by in ((waiting, waiting.person), (begun, begun.doctor)):
        sent, words = await send(migrated, message(one, by), by)
        assert sent.resource["sent"] == "2026-11-25T01:30:00+00:00"
        assert sent.resource["payload"] == [{"contentString": "医生您好"}]
        assert sent.patient == one.patient
        assert words == [(f"live:Patient/{one.patient}", sent.reference), (f"live:{one.practitioner}", sent.reference)]


async def test_message_keeps_its_bytes(migrated: Settings) -> None:
    """A message that says when it was sent is kept byte by byte, and one that does not gains only that."""
    one = await under_way(migrated)
    given = message(one, one.person, sent="2026-11-25T09:31:00+08:00", language="zh-CN")
    sent, _ = await send(migrated, given, one.person)
    assert {k: v for k, v in sent.resource.items() if k not in {"id", "meta"}} == given


@pytest.mark.parametrize("who", ["colleague", "stranger", "doctor"])
async def test_sender_is_the_caller(migrated: Settings, who: str) -> None:
    """Nobody writes in another's name, and nobody from outside writes at all."""
    one = await under_way(migrated)
    by = getattr(one, who)
    with pytest.raises(NotItsSender):
        await send(migrated, message(one, one.person), by)
    if who != "doctor":
        with pytest.raises(NotItsSender):
            await send(migrated, message(one, by), by)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"status": "in-progress"}, "status"),
        ({"category": None}, "category"),
        ({"category": [{"coding": [{"code": "notification"}]}]}, "category"),
        ({"subject": {"reference": "Patient/another"}}, "subject"),
        ({"subject": None}, "subject"),
        ({"recipient": [{"reference": "Practitioner/another"}]}, "recipient"),
        ({"sent": (NOW + timedelta(hours=1)).isoformat()}, "sent"),
        ({"sent": "2026-11-25"}, "sent"),
        ({"sent": "2026"}, "sent"),
        ({"payload": None}, "payload"),
        ({"payload": [{"contentString": "  "}]}, "payload"),
        ({"payload": [{"contentString": "长" * 2001}]}, "payload"),
        ({"payload": [{"contentString": "a"}, {"contentString": "b"}]}, "payload"),
        ({"payload": [{"contentReference": {"reference": "Patient/another"}}]}, "payload"),
        ({"basedOn": [{"reference": "MedicationRequest/x"}]}, "basedOn"),
    ],
)
async def test_unusable_messages(migrated: Settings, changes: dict[str, Any], place: str) -> None:
    """A message that says more or other than one text between the two is refused, with the place named."""
    one = await under_way(migrated)
    with pytest.raises(MessageUnusable) as refused:
        await send(migrated, message(one, one.person, **changes), one.person)
    assert refused.value.expression == f"Communication.{place}"


async def test_longest_message(migrated: Settings) -> None:
    """Two thousand characters are kept whole."""
    one = await under_way(migrated)
    sent, _ = await send(migrated, message(one, one.person, "长" * 2000), one.person)
    assert sent.resource["payload"][0]["contentString"] == "长" * 2000


async def test_chat_outside_the_visit(migrated: Settings) -> None:
    """Before the call and after the end nothing can be written; what was written stays."""
    before, after = await booked(migrated), await under_way(migrated)
    written, _ = await send(migrated, message(after, after.person), after.person)
    async with transaction("consult", migrated) as tx:
        await visiting.finish(tx, after.encounter, by=after.doctor, ids=CountedIds("chat-end"), now=NOW)
    refusals: list[tuple[Booked, type[Failure]]] = [(before, NotItsSender), (after, ChatClosed)]
    for one, refusal in refusals:
        with pytest.raises(refusal):
            await send(migrated, message(one, one.person), one.person)
    async with transaction("consult", migrated) as tx:
        kept = await read.read(tx, "Communication", written.id, visible=Everything())
    assert kept.body == written.body
