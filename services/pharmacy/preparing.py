"""A doctor's drafts are judged and frozen as the exact bytes to be signed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.ids import Ids
from record import read
from record.canonical import PRESCRIPTION
from record.search.searching import search
from record.stored import Stored
from record.visible import Visible, visible_to
from services.pharmacy import fhir, store
from services.pharmacy.documents import fhir as documents
from services.pharmacy.failures import (
    NoReviewPharmacy,
    NothingDrafted,
    NotTreating,
    VisitsMixed,
)
from services.pharmacy.order import Order
from services.pharmacy.policy import PACK
from services.pharmacy.prescription import Case, expiry, judge
from services.pharmacy.store import Prepared


@dataclass(frozen=True, slots=True)
class Examined:
    """Drafts that every rule of the day is content with, and what was looked at."""

    case: Case
    rules: tuple[str, ...]
    drafts: tuple[Stored, ...]
    encounter: Stored
    conditions: tuple[Stored, ...]
    medications: tuple[Stored, ...]
    standing: Order | None
    """The returned order these drafts correct."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What is prepared and signed: each draft by id and version."""
        return tuple(f"{draft.id}/{draft.version}" for draft in self.drafts)


async def prepare(tx: Transaction, group: str, *, by: Principal, ids: Ids, now: datetime) -> Prepared:
    """Freeze this group's drafts for signature. Raises the failures of `examine`, NoReviewPharmacy."""
    seen = visible_to(by)
    authored_at = now.replace(microsecond=0)
    examined = await examine(tx, group, by=by, now=authored_at)
    visit = examined.case.visit
    pharmacy = await _review_pharmacy(tx, visit.provider, visible=seen, now=now)
    id = ids.new()
    patient = await read.read(tx, "Patient", visit.patient, visible=seen)
    doctor = await read.read(tx, "Practitioner", fhir.id_of(by.fhir_user), visible=seen)
    hospital = await read.read(tx, "Organization", fhir.id_of(visit.provider), visible=seen)
    document = documents.document(
        id,
        examined.drafts,
        around=(patient, doctor, hospital, examined.encounter, *examined.conditions, *examined.medications),
        encounter=examined.encounter.resource,
        by=by.fhir_user,
        authored_at=authored_at,
    )
    prepared = Prepared(
        id=id,
        group=group,
        prescriber=by.fhir_user,
        patient=visit.patient,
        encounter=visit.encounter,
        hospital_pharmacy=pharmacy,
        document=document,
        digest=hashlib.sha256(document).hexdigest(),
        lines=examined.lines,
        rule_pack=PACK.id,
        rule_version=PACK.version,
        rules=examined.rules,
        authored_at=authored_at,
        expires_at=expiry(examined.case.lines, authored_at, PACK),
    )
    await store.keep_prepared(tx, prepared)
    return prepared


async def examine(tx: Transaction, group: str, *, by: Principal, now: datetime) -> Examined:
    """Judge the group's drafts as they stand now.

    Raises NotTreating, NothingDrafted, VisitsMixed, GroupTaken, OrderElsewhere, and what `prescription.judge` raises.
    """
    seen = visible_to(by)
    drafts = await _drafts(tx, group, by=by, now=now)
    encounter = await _encounter(tx, drafts, visible=seen)
    visit = fhir.visit(encounter.resource)
    if by.role is not Role.PRACTITIONER or by.fhir_user not in visit.practitioners:
        raise NotTreating
    standing = await store.order_of_group(tx, group)
    if standing is not None:
        standing.correctable(by=by.fhir_user, encounter=visit.encounter)
    conditions = await _conditions(tx, drafts, encounter=visit.encounter, visible=seen)
    medications = await _medications(tx, drafts, visible=seen)
    named = {one.reference: one.resource for one in medications}
    case = Case(
        lines=tuple(fhir.line(draft, named) for draft in drafts),
        visit=visit,
        diagnoses=frozenset(one.reference for one in conditions),
        authored_at=now,
        is_correction=standing is not None,
    )
    return Examined(case, judge(case, PACK), tuple(drafts), encounter, tuple(conditions), tuple(medications), standing)


async def _drafts(tx: Transaction, group: str, *, by: Principal, now: datetime) -> list[Stored]:
    if not fhir.GROUP.fullmatch(group):
        raise NothingDrafted
    query = [("group-identifier", f"{PRESCRIPTION}|{group}"), ("status", "draft")]
    found = (await search(tx, "MedicationRequest", query, visible=visible_to(by), now=now)).entries
    mine = [draft for draft in found if fhir.referred(draft.resource.get("requester"), "Practitioner") == by.fhir_user]
    if not mine:
        raise NothingDrafted
    return sorted(mine, key=lambda draft: draft.id)


async def _encounter(tx: Transaction, drafts: list[Stored], *, visible: Visible) -> Stored:
    requests = [draft.resource for draft in drafts]
    visits = {fhir.referred(one.get("encounter"), "Encounter") for one in requests}
    if len(visits) != 1 or len({draft.patient for draft in drafts}) != 1:
        raise VisitsMixed
    encounter = await read.read(tx, "Encounter", fhir.id_of(visits.pop()), visible=visible)
    if encounter.patient != drafts[0].patient:
        raise VisitsMixed
    return encounter


async def _conditions(tx: Transaction, drafts: list[Stored], *, encounter: str, visible: Visible) -> list[Stored]:
    named = {fhir.id_of(reference) for draft in drafts for reference in fhir.reasons(draft.resource)}
    found = await read.read_many(tx, "Condition", named, visible=visible)
    return [one for one in found if fhir.stands(one.resource, encounter=encounter)]


async def _medications(tx: Transaction, drafts: list[Stored], *, visible: Visible) -> list[Stored]:
    named = {fhir.id_of(fhir.referred(draft.resource.get("medicationReference"), "Medication")) for draft in drafts}
    found = await read.read_many(tx, "Medication", named - {""}, visible=visible)
    return [one for one in found if one.resource.get("status", "active") == "active"]


async def _review_pharmacy(tx: Transaction, hospital: str, *, visible: Visible, now: datetime) -> str:
    if not hospital:
        raise NoReviewPharmacy
    page = await search(tx, "Organization", [("partof", hospital)], visible=visible, now=now)
    kinds = frozenset({"hospital-pharmacy"})
    pharmacies = sorted(one.reference for one in page.entries if fhir.is_pharmacy(one.resource, kinds=kinds))
    if not pharmacies:
        raise NoReviewPharmacy
    return pharmacies[0]
