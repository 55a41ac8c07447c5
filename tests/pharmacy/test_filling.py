"""From review to hand-over, on a real record: one winner, one pharmacy, never more than was ordered."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import orjson
import pytest

from kernel.failures import Failure
from kernel.settings import Settings
from record import read, validation
from record.search import search
from record.visible import Everything, OnlyPatient
from services.pharmacy import cancelling, closing, expiring, releasing, store
from services.pharmacy.advancing import advance
from services.pharmacy.failures import (
    CodeWrong,
    DecisionUnknown,
    NotAPharmacy,
    NothingDispensed,
    NotPrescriber,
    NotReleased,
    NotReviewed,
    NotReviewer,
    OrderElsewhere,
    OrderUnknown,
    OverDispensed,
    PrescriptionExpired,
    ReturnUnexplained,
    SecretWrong,
    WrongPharmacy,
)
from services.pharmacy.order import Item, State
from tests.pharmacy.hospital import CODE_KEY, Hospital, opened
from tests.pharmacy.test_preparing import visit_becomes
from tests.pharmacy.test_signing import seen


async def business(hospital: Hospital, task: str) -> tuple[str, str, int]:
    """Status, business status and version of the Task, which must tell the same story as the private row."""
    async with hospital.database.reading() as tx:
        order = await store.order(tx, task)
        stored = await read.read(tx, "Task", task, visible=Everything())
    resource = stored.resource
    state = resource["businessStatus"]["coding"][0]["code"]
    assert (state, stored.version, resource["owner"]["reference"]) == (order.state, order.version, order.owner)
    validation.check(stored.body, type="Task")
    return resource["status"], state, stored.version


async def statuses(hospital: Hospital) -> list[str]:
    """Statuses of all MedicationRequests of the patient, in alphabetical order."""
    async with hospital.database.reading() as tx:
        rows = await tx.raw.fetch(
            "select body from record.medicationrequest where patient = $1", hospital.named("patient")
        )
    return sorted(orjson.loads(row["body"])["status"] for row in rows)


async def close(hospital: Hospital, task: str, *, secret: str, pharmacy: str = "corner") -> None:
    """The pharmacy closes the order."""
    async with hospital.database.transaction() as tx:
        by, now = hospital.pharmacist(pharmacy), hospital.clock.now()
        await closing.close(tx, task, secret=secret, by=by, key=CODE_KEY, now=now)


async def cancel(hospital: Hospital, task: str, *, doctor: str = "doctor") -> None:
    """A doctor withdraws the prescription."""
    async with hospital.database.transaction() as tx:
        by, now = hospital.doctor(doctor), hospital.clock.now()
        await cancelling.cancel(tx, task, reason="过敏", by=by, now=now)


async def expire(hospital: Hospital) -> int:
    """The job looks for orders whose time is over."""
    async with hospital.database.transaction() as tx:
        return await expiring.expire_due(tx, ids=hospital.ids, now=hospital.clock.now())


async def released(hospital: Hospital, *medicines: str) -> tuple[str, str]:
    """An approved order for which the corner pharmacy was chosen: Task id and pick-up code."""
    signed = await hospital.submitted(*medicines)
    await hospital.review(signed.task.id)
    return signed.task.id, await hospital.choose(signed.task.id)


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


async def test_only_the_hospitals_pharmacist_decides(migrated: Settings) -> None:
    """Another pharmacy's pharmacist is refused, an unknown decision too, and nothing has moved."""
    async with opened(migrated) as hospital:
        task = (await hospital.submitted()).task.id
        for pharmacy in ("corner", "hospital"):
            with pytest.raises(NotReviewer):
                await hospital.review(task, pharmacy=pharmacy)
        with pytest.raises(DecisionUnknown):
            await hospital.review(task, "change")
        with pytest.raises(OrderUnknown):
            await hospital.review("none")
        assert await business(hospital, task) == ("requested", "submitted", 1)


async def test_a_review_changes_no_line(migrated: Settings) -> None:
    """Approval and return leave document and lines byte for byte as the doctor signed them (RX-11)."""
    async with opened(migrated) as hospital:
        signed = await hospital.submitted("amlodipine", "metformin")
        with pytest.raises(ReturnUnexplained):
            await hospital.review(signed.task.id, "return")
        await hospital.review(signed.task.id, "return", reason="剂量请复核")
        assert await business(hospital, signed.task.id) == ("on-hold", "returned", 2)
        async with hospital.database.reading() as tx:
            task = await read.read(tx, "Task", signed.task.id, visible=Everything())
            for line in signed.lines:
                assert await read.read(tx, line.type, line.id, visible=Everything()) == line
        assert task.resource["statusReason"]["text"] == "剂量请复核"


async def test_the_doctor_corrects_what_came_back(migrated: Settings) -> None:
    """New drafts of the same group take the place of the returned lines, even after the visit has ended."""
    async with opened(migrated) as hospital:
        signed = await hospital.submitted("amlodipine", "metformin")
        await hospital.review(signed.task.id, "return", reason="重复用药")
        await visit_becomes(hospital, migrated, status="finished")
        again = await hospital.submitted("aspirin")
        assert again.task.id == signed.task.id
        assert await business(hospital, signed.task.id) == ("requested", "submitted", 3)
        assert await statuses(hospital) == ["active", "cancelled", "cancelled"]
        assert again.task.resource["basedOn"] == [{"reference": again.lines[0].reference}]
        assert "statusReason" not in again.task.resource
        assert all(await seen(hospital, "hospital-pharmacy", *again.lines, again.provenance))
        await hospital.review(signed.task.id)
        code = await hospital.choose(signed.task.id)
        secret = await hospital.claim(signed.task.id, code)
        with pytest.raises(Failure, match="MedicationRequest"):
            await hospital.dispense(signed.task.id, Item(signed.lines[0].id, Decimal(1), "{tablet}"), secret=secret)


async def test_the_chosen_pharmacy_sees_what_filling_needs(migrated: Settings) -> None:
    """Task, lines, diagnosis and signature are shown to it; the visit and the allergies are not."""
    async with opened(migrated) as hospital:
        signed = await hospital.submitted()
        await hospital.review(signed.task.id)
        await hospital.choose(signed.task.id)
        async with hospital.database.reading() as tx:
            condition = await read.read(tx, "Condition", hospital.named("hypertension"), visible=Everything())
            visit = await read.read(tx, "Encounter", hospital.named("visit"), visible=Everything())
            allergy = await read.read(tx, "AllergyIntolerance", hospital.named("penicillin"), visible=Everything())
        needed = (signed.task, *signed.lines, signed.provenance, condition)
        assert all(await seen(hospital, "corner", *needed))
        assert not any(await seen(hospital, "corner", visit, allergy))
        assert not any(await seen(hospital, "other", *needed))


async def test_only_the_patient_chooses_an_open_pharmacy(migrated: Settings) -> None:
    """Another patient finds no order; a hospital, a closed pharmacy and an unknown one cannot be chosen."""
    async with opened(migrated) as hospital:
        task = (await hospital.submitted()).task.id
        await hospital.review(task)
        with pytest.raises(OrderUnknown):
            await hospital.choose(task, by=hospital.patient("stranger"))
        for pharmacy in ("hospital", "shut", "none"):
            with pytest.raises(NotAPharmacy):
                await hospital.choose(task, pharmacy)
        await hospital.choose(task, "hospital-pharmacy")


async def pickup_code(hospital: Hospital, task: str, *, patient: str = "patient") -> str:
    """The code as the patient reads it, under the patient's own reader role."""
    by = hospital.patient(patient)
    async with hospital.database.transaction(patient=by.patient) as tx:
        return await releasing.pickup_code(tx, task, by=by, key=CODE_KEY)


async def test_the_patient_reads_the_code_again(migrated: Settings) -> None:
    """The code is the same at every reading, is shown to its patient alone, and is not there before a choice."""
    async with opened(migrated) as hospital:
        task = (await hospital.submitted()).task.id
        await hospital.review(task)
        with pytest.raises(NotReleased):
            await pickup_code(hospital, task)
        code = await hospital.choose(task)
        assert await pickup_code(hospital, task) == code
        with pytest.raises(OrderUnknown):
            await pickup_code(hospital, task, patient="stranger")


async def test_the_patients_reader_role_sees_own_rows_alone(migrated: Settings) -> None:
    """Under a patient's reader role the private tables show that patient's prescriptions and nothing can be written."""
    async with opened(migrated) as hospital, opened(migrated) as other:
        await hospital.submitted()
        await other.submitted()
        for table in ("prescription", "orders"):
            async with hospital.database.transaction(patient=hospital.named("patient")) as tx:
                rows = await tx.raw.fetch(f"select patient from pharmacy.{table}")  # noqa: S608 - fixed names
            assert [row["patient"] for row in rows] == [hospital.named("patient")]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with hospital.database.transaction(patient=hospital.named("patient")) as tx:
                await tx.raw.execute("update pharmacy.orders set state = 'reviewed'")


async def test_a_new_choice_voids_the_old_code(migrated: Settings) -> None:
    """After choosing anew the first pharmacy and the first code open nothing."""
    async with opened(migrated) as hospital:
        task, old = await released(hospital)
        new = await hospital.choose(task, "other")
        with pytest.raises(WrongPharmacy):
            await hospital.claim(task, old, "corner")
        with pytest.raises(CodeWrong):
            await hospital.claim(task, old, "other")
        assert await hospital.claim(task, new, "other")


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


async def test_the_doctor_withdraws_until_the_claim(migrated: Settings) -> None:
    """Before the claim the prescriber cancels, and the lines with it; afterwards and for a colleague it is refused."""
    async with opened(migrated) as hospital:
        task, code = await released(hospital)
        with pytest.raises(NotPrescriber):
            await cancel(hospital, task, doctor="colleague")
        await cancel(hospital, task)
        assert await business(hospital, task) == ("cancelled", "cancelled", 4)
        assert await statuses(hospital) == ["cancelled"]
        with pytest.raises(OrderElsewhere):
            await hospital.claim(task, code)
    async with opened(migrated) as hospital:
        task, code = await released(hospital)
        await hospital.claim(task, code)
        with pytest.raises(OrderElsewhere):
            await cancel(hospital, task)


async def test_orders_expire_with_their_day(migrated: Settings) -> None:
    """After midnight an order is refused even before the job ran; the job ends it once and then leaves it."""
    async with opened(migrated) as hospital:
        task, code = await released(hospital)
        assert await expire(hospital) == 0
        hospital.clock.advance(timedelta(hours=12))
        with pytest.raises(PrescriptionExpired):
            await hospital.claim(task, code)
        counts = await asyncio.gather(expire(hospital), expire(hospital))
        assert sum(counts) >= 1
        assert await business(hospital, task) == ("failed", "expired", 4)
        assert await statuses(hospital) == ["stopped"]
        await expire(hospital)
        assert await business(hospital, task) == ("failed", "expired", 4)


async def test_patient_doctor_and_pharmacies_are_told(migrated: Settings) -> None:
    """Each step announces the Task to everyone who has to look, and carries nothing else."""
    async with opened(migrated) as hospital:
        task, _ = await released(hospital)
        async with hospital.database.transaction() as tx:
            before = await store.held(tx, task)
            now = hospital.clock.now()
            after = before.claim(organization=hospital.ref("Organization", "corner"), now=now)
            await advance(tx, before, after, now=now)
            told = dict(tx.words)
    assert after.state is State.CLAIMED
    assert set(told.values()) == {f"Task/{task}"}
    assert set(told) == {
        f"live:{hospital.ref(type, name)}"
        for type, name in (
            ("Patient", "patient"),
            ("Practitioner", "doctor"),
            ("Organization", "hospital-pharmacy"),
            ("Organization", "corner"),
        )
    }
