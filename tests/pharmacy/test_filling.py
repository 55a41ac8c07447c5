"""Claim, hand-over and close on a real record: one winner, one pharmacy, never more than was ordered."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import asyncpg
import orjson
import pytest

from kernel.failures import Failure
from kernel.settings import Settings
from record.search.searching import search
from record.validation import checking as validation
from record.visible import OnlyPatient
from services.pharmacy import store
from services.pharmacy.failures import (
    CodeWrong,
    NothingDispensed,
    NotReviewed,
    OverDispensed,
    SecretWrong,
    WrongPharmacy,
)
from services.pharmacy.order import Item
from tests.pharmacy.hospital import opened
from tests.pharmacy.steps import business, cancel, close, released, statuses


async def test_the_whole_way(migrated: Settings) -> None:
    """Review, choice, claim, two part fills and close: each step shows in the Task, the lines and the proofs."""
    async with opened(migrated) as hospital:
        signed = await hospital.submitted()
        task, line = signed.task.id, signed.lines[0].id
        assert await business(hospital, task) == ("requested", "submitted", 1)
        await hospital.review(task)
        assert await business(hospital, task) == ("accepted", "reviewed", 2)
        code = await hospital.choose(task)
        assert await business(hospital, task) == ("ready", "released", 3)
        secret = await hospital.claim(task, code)
        assert await business(hospital, task) == ("in-progress", "claimed", 4)
        first = await hospital.dispense(task, Item(line, Decimal("5.25"), "{tablet}"), secret=secret)
        assert await business(hospital, task) == ("in-progress", "dispensed", 5)
        await hospital.dispense(task, Item(line, Decimal("2.25"), "{tablet}"), secret=secret)
        await close(hospital, task, secret=secret)
        assert await business(hospital, task) == ("completed", "closed", 7)
        assert await statuses(hospital) == ["completed"]
        async with hospital.database.reading() as tx:
            given = [("prescription", f"MedicationRequest/{line}")]
            own = OnlyPatient(hospital.named("patient"))
            found = await search(tx, "MedicationDispense", given, visible=own, now=hospital.clock.now())
            targets = [("target", first[0].reference)]
            proofs = await search(tx, "Provenance", targets, visible=own, now=hospital.clock.now())
    assert sorted(b'"value":5.25' in one.body for one in found.entries) == [False, True]
    for one in (*found.entries, *proofs.entries):
        validation.check(one.body, type=one.type)
    assert len(proofs.entries) == 1
    handed = first[0].resource
    assert handed["performer"][1]["actor"]["reference"] == hospital.ref("Organization", "corner")
    assert handed["dosageInstruction"][0]["text"] == "每日一次，每次5mg，早餐后口服"


async def test_before_approval_nothing_is_chosen_claimed_or_dispensed(migrated: Settings) -> None:
    """An unreviewed order refuses choice, claim and hand-over, all under RX-12."""
    async with opened(migrated) as hospital:
        task = (await hospital.submitted()).task.id
        line = Item("any", Decimal(1), "{tablet}")
        steps: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: hospital.choose(task),
            lambda: hospital.claim(task, "code"),
            lambda: hospital.dispense(task, line, secret="secret"),
            lambda: close(hospital, task, secret="secret"),
        ]
        for step in steps:
            with pytest.raises(NotReviewed):
                await step()
        assert await business(hospital, task) == ("requested", "submitted", 1)


async def test_a_claim_needs_code_and_pharmacy(migrated: Settings) -> None:
    """A wrong code, an odd one and the right code at another pharmacy claim nothing."""
    async with opened(migrated) as hospital:
        task, code = await released(hospital)
        for wrong in ("", code[:-1], code + "A", code.lower(), "渝诊", "\udc80", "A" * 5000):
            with pytest.raises(CodeWrong):
                await hospital.claim(task, wrong)
        for pharmacy in ("other", "hospital-pharmacy"):
            with pytest.raises(WrongPharmacy):
                await hospital.claim(task, code, pharmacy)
        assert await business(hospital, task) == ("ready", "released", 3)


async def test_sixteen_pharmacies_claim_at_once(migrated: Settings) -> None:
    """Of sixteen callers with the right code, the chosen pharmacy wins and fifteen others are turned away."""
    async with opened(migrated, size=16) as hospital:
        task, code = await released(hospital)
        pharmacies = ["corner", *(f"rival-{n}" for n in range(15))]
        results = await asyncio.gather(
            *(hospital.claim(task, code, pharmacy) for pharmacy in pharmacies), return_exceptions=True
        )
        assert isinstance(results[0], str)
        assert [type(result) for result in results[1:]] == [WrongPharmacy] * 15
        assert await business(hospital, task) == ("in-progress", "claimed", 4)


async def test_sixteen_counters_of_one_pharmacy_claim_at_once(migrated: Settings) -> None:
    """The order moves once, and every counter of the pharmacy holds the same secret; a later claim recovers it."""
    async with opened(migrated, size=16) as hospital:
        task, code = await released(hospital)
        secrets = await asyncio.gather(*(hospital.claim(task, code) for _ in range(16)))
        assert len(set(secrets)) == 1
        assert await business(hospital, task) == ("in-progress", "claimed", 4)
        assert await hospital.claim(task, code) == secrets[0]
        assert await business(hospital, task) == ("in-progress", "claimed", 4)


async def test_claim_against_cancel_and_new_choice(migrated: Settings) -> None:
    """When claim, cancel and a new choice cross, exactly one of the end states stands and the losers are told."""
    for _ in range(6):
        async with opened(migrated, size=3) as hospital:
            task, code = await released(hospital)
            results = await asyncio.gather(
                hospital.claim(task, code),
                cancel(hospital, task),
                hospital.choose(task, "other"),
                return_exceptions=True,
            )
            for result in results:
                assert not isinstance(result, BaseException) or isinstance(result, Failure)
            state = (await business(hospital, task))[1]
            claimed, cancelled = isinstance(results[0], str), results[1] is None
            assert claimed != cancelled or state == "released"
            assert state == ("claimed" if claimed else "cancelled" if cancelled else "released")


async def test_sixteen_hand_overs_never_exceed_the_order(migrated: Settings) -> None:
    """Sixteen counters hand over one tablet each at once: seven and a half were ordered, so seven succeed."""
    async with opened(migrated, size=16) as hospital:
        task, code = await released(hospital)
        secret = await hospital.claim(task, code)
        async with hospital.database.reading() as tx:
            line = (await store.order(tx, task)).fills[0].request
        item = Item(line, Decimal(1), "{tablet}")
        results = await asyncio.gather(
            *(hospital.dispense(task, item, secret=secret) for _ in range(16)), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["OverDispensed"] * 9 + ["list"] * 7
        async with hospital.database.reading() as tx:
            assert (await store.order(tx, task)).fills[0].dispensed == 7
            rows = await tx.raw.fetch(
                "select body from record.medicationdispense where patient = $1", hospital.named("patient")
            )
        assert sum(orjson.loads(row["body"])["quantity"]["value"] for row in rows) == 7


async def test_the_table_itself_refuses_too_much(migrated: Settings) -> None:
    """Even a statement that passes by the state machine cannot dispense more than was ordered."""
    async with opened(migrated) as hospital:
        task, _ = await released(hospital)
        with pytest.raises(asyncpg.CheckViolationError):
            async with hospital.database.transaction() as tx:
                await tx.raw.execute("update pharmacy.fill set dispensed = 8 where order_id = $1", task)


async def test_a_refused_hand_over_leaves_nothing(migrated: Settings) -> None:
    """When the second item is too much, the first is not handed over either."""
    async with opened(migrated) as hospital:
        task, code = await released(hospital, "amlodipine", "metformin")
        secret = await hospital.claim(task, code)
        async with hospital.database.reading() as tx:
            one, two = (await store.order(tx, task)).fills
        items = Item(one.request, Decimal(1), "{tablet}"), Item(two.request, Decimal(8), "{tablet}")
        with pytest.raises(OverDispensed):
            await hospital.dispense(task, *items, secret=secret)
        async with hospital.database.reading() as tx:
            assert [fill.dispensed for fill in (await store.order(tx, task)).fills] == [0, 0]
            count = await tx.raw.fetchval(
                "select count(*) from record.medicationdispense where patient = $1", hospital.named("patient")
            )
        assert count == 0


async def test_steps_after_the_claim_need_its_secret(migrated: Settings) -> None:
    """The pick-up code is not enough to dispense or close, and another pharmacy's secret neither."""
    async with opened(migrated) as hospital:
        task, code = await released(hospital)
        secret = await hospital.claim(task, code)
        async with hospital.database.reading() as tx:
            item = Item((await store.order(tx, task)).fills[0].request, Decimal(1), "{tablet}")
        for wrong in ("", code, secret[::-1]):
            with pytest.raises(SecretWrong):
                await hospital.dispense(task, item, secret=wrong)
            with pytest.raises(SecretWrong):
                await close(hospital, task, secret=wrong)
        with pytest.raises(WrongPharmacy):
            await hospital.dispense(task, item, secret=secret, pharmacy="other")
        with pytest.raises(NothingDispensed):
            await close(hospital, task, secret=secret)
