"""The doctor signs the prepared bytes: the lines become active and an order for review comes to be."""

from dataclasses import dataclass
from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.ids import Ids, derived
from record import write
from record.care import share
from record.search.searching import search
from record.stored import Stored
from record.visible import visible_to
from services.pharmacy import fhir, signature, store
from services.pharmacy.advancing import advance, announce, end_lines, lines_of
from services.pharmacy.documents import fhir as documents
from services.pharmacy.failures import NotPrepared, PreparedStale
from services.pharmacy.order import Fill, Order
from services.pharmacy.policy import Stage
from services.pharmacy.preparing import Examined, examine
from services.pharmacy.signature import FetchKey, Offered
from services.pharmacy.store import Prepared


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature brings into being."""

    task: Stored
    lines: tuple[Stored, ...]
    provenance: Stored


async def sign(
    tx: Transaction, group: str, jws: str, *, by: Principal, fetch: FetchKey, ids: Ids, now: datetime
) -> Signed:
    """Seal the prepared prescription with its doctor's signature and submit it for review.

    Raises NotPrepared, PreparedStale, and the failures of `signature.read`, `signature.check` and `preparing.examine`.
    """
    offered = signature.read(jws)
    key = await fetch(offered.kid)
    prepared = await store.prepared(tx, group, prescriber=by.fhir_user)
    if prepared is None:
        raise NotPrepared
    signature.check(offered, prepared, key, now=now)
    examined = await examine(tx, group, by=by, now=now)
    if examined.lines != prepared.lines:
        raise PreparedStale
    await store.sign(tx, prepared, signature=offered.text, kid=offered.kid, now=now)
    lines = await _activate(tx, examined, prepared, now=now)
    order, task = await _submit(tx, examined, prepared, ids=ids, now=now)
    for stage in (Stage.PRESCRIBE, Stage.SIGN):
        made = {"digest": prepared.digest, "by": by.fhir_user, "id": ids.new(), "now": now}
        await store.decide(tx, prepared.id, stage, "pass", **made)  # type: ignore[arg-type]
    provenance = await _prove(tx, order, lines, offered, prepared, by=by, now=now)
    await _show_to_reviewers(tx, order, examined, provenance, by=by, now=now)
    return Signed(task, lines, provenance)


async def _activate(tx: Transaction, examined: Examined, prepared: Prepared, *, now: datetime) -> tuple[Stored, ...]:
    lines = []
    for draft in examined.drafts:
        body = fhir.activated(draft.body, authored_at=prepared.authored_at)
        lines.append(await write.update(tx, body, id=draft.id, now=now, expected=draft.version))
    return tuple(lines)


async def _submit(
    tx: Transaction, examined: Examined, prepared: Prepared, *, ids: Ids, now: datetime
) -> tuple[Order, Stored]:
    fills = tuple(
        Fill(line.id, line.medication, line.unit, line.quantity) for line in examined.case.lines if line.quantity
    )
    standing = examined.standing
    if standing is not None:
        await end_lines(tx, await lines_of(tx, standing), status="cancelled", now=now)
        after = standing.correct(
            prescription=prepared.id,
            fills=fills,
            authored_at=prepared.authored_at,
            expires_at=prepared.expires_at,
            now=now,
        )
        return after, await advance(tx, standing, after, now=now)
    order = Order(
        id=ids.new(),
        group=prepared.group,
        prescription=prepared.id,
        patient=prepared.patient,
        encounter=prepared.encounter,
        prescriber=prepared.prescriber,
        hospital_pharmacy=prepared.hospital_pharmacy,
        fills=fills,
        authored_at=prepared.authored_at,
        expires_at=prepared.expires_at,
    )
    await store.add(tx, order)
    announce(tx, order)
    return order, await write.create(tx, fhir.task(order, now=now), id=order.id, now=now)


async def _prove(
    tx: Transaction,
    order: Order,
    lines: tuple[Stored, ...],
    offered: Offered,
    prepared: Prepared,
    *,
    by: Principal,
    now: datetime,
) -> Stored:
    body = documents.provenance(
        "prescribe",
        [f"{line.reference}/_history/{line.version}" for line in lines],
        by=by.fhir_user,
        role="author",
        organization=by.organization,
        digest=prepared.digest,
        now=now,
        signature=documents.signed(offered.text, by=by.fhir_user, at=offered.issued_at),
    )
    return await write.create(tx, body, id=derived("prescribed", prepared.id), now=now, patient=order.patient)


async def _show_to_reviewers(
    tx: Transaction, order: Order, examined: Examined, provenance: Stored, *, by: Principal, now: datetime
) -> None:
    """Let the hospital's pharmacy see what a review needs, the patient's allergies included."""
    whose = [("patient", f"Patient/{order.patient}"), ("_count", "200")]
    allergies = (await search(tx, "AllergyIntolerance", whose, visible=visible_to(by), now=now)).entries
    seen = [*examined.drafts, *examined.conditions, *allergies, examined.encounter, provenance]
    resources = [("Task", order.id), ("Patient", order.patient), *((one.type, one.id) for one in seen)]
    await share(tx, party=order.hospital_pharmacy, resources=resources)
