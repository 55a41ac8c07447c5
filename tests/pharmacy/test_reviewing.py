"""Review, correction, choice, withdrawal and expiry on a real record."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from kernel.failures import Failure
from kernel.settings import Settings
from record import read
from record.visible import Everything
from services.pharmacy import releasing, store
from services.pharmacy.advancing import advance
from services.pharmacy.failures import (
    CodeWrong,
    DecisionUnknown,
    NotAPharmacy,
    NotPrescriber,
    NotReleased,
    NotReviewer,
    OrderElsewhere,
    OrderUnknown,
    PrescriptionExpired,
    ReturnUnexplained,
    WrongPharmacy,
)
from services.pharmacy.order import Item, State
from tests.pharmacy.hospital import CODE_KEY, Hospital, opened
from tests.pharmacy.steps import business, cancel, expire, released, seen, statuses, visit_becomes


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
