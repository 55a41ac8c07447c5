"""A small hospital in a real record: one visit under way, its doctor, its patient, its pharmacies."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey

from kernel.auth.principal import Principal, Role
from kernel.clock import FixedClock
from kernel.database import Database, Transaction
from kernel.ids import Ids, RandomIds
from kernel.settings import Settings
from record import care, write
from record.canonical import PRESCRIPTION, code_system, extension
from record.stored import Stored
from services.pharmacy import claiming, dispensing, drafting, preparing, releasing, reviewing, signing
from services.pharmacy.order import Item
from services.pharmacy.signature import SigningKey
from services.pharmacy.store import Prepared
from tests.support.postgres import database_of

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
UCUM = "http://unitsofmeasure.org"
CODE_KEY = b"a key for tests"
MEDICINES = {
    "amlodipine": "rx",
    "metformin": "rx",
    "aspirin": "otc-a",
    "morphine": "narcotic",
    "diazepam": "psychotropic-2",
}

Resource = dict[str, Any]
_numbers = itertools.count(1)


@dataclass
class Hospital:
    """Who is there, by ids that start with a prefix of their own; and the steps of a prescription, taken soundly."""

    prefix: str
    database: Database
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    is_revoked: bool = False
    holder: str = ""

    @property
    def ids(self) -> Ids:
        return RandomIds(self.clock)

    def named(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def ref(self, type: str, name: str) -> str:
        return f"{type}/{self.named(name)}"

    @property
    def group(self) -> str:
        return self.named("group")

    def doctor(self, name: str = "doctor") -> Principal:
        clinics = (self.ref("HealthcareService", "clinic"),)
        return self._principal(name, Role.PRACTITIONER, "Practitioner", clinics, self.ref("Organization", "hospital"))

    def pharmacist(self, pharmacy: str = "hospital-pharmacy") -> Principal:
        organization = self.ref("Organization", pharmacy)
        return self._principal(f"pharmacist-of-{pharmacy}", Role.PHARMACIST, "Practitioner", (), organization)

    def patient(self, name: str = "patient") -> Principal:
        return self._principal(name, Role.PATIENT, "Patient", (), "")

    def _principal(self, name: str, role: Role, type: str, clinics: tuple[str, ...], organization: str) -> Principal:
        until = self.clock.now() + timedelta(days=30)
        return Principal(self.named(name), role, self.ref(type, name), clinics, organization, self.named(name), until)

    def request(self, medicine: str = "amlodipine", **changes: Any) -> Resource:
        """A draft line nothing is wrong with, except for what the test changes; a change to None takes it out."""
        sound: Resource = {
            "resourceType": "MedicationRequest",
            "status": "draft",
            "intent": "order",
            "medicationReference": {"reference": self.ref("Medication", medicine)},
            "subject": {"reference": self.ref("Patient", "patient")},
            "encounter": {"reference": self.ref("Encounter", "visit")},
            "requester": {"reference": self.ref("Practitioner", "doctor")},
            "reasonReference": [{"reference": self.ref("Condition", "hypertension")}],
            "groupIdentifier": {"system": PRESCRIPTION, "value": self.group},
            "dosageInstruction": [
                {
                    "text": "每日一次，每次5mg，早餐后口服",
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                    "route": {"text": "口服"},
                    "doseAndRate": [{"doseQuantity": {"value": msgspec.Raw(b"5.0"), "unit": "mg"}}],
                }
            ],
            "dispenseRequest": {
                "quantity": {"value": msgspec.Raw(b"7.50"), "unit": "片", "system": UCUM, "code": "{tablet}"},
                "expectedSupplyDuration": {"value": 7, "unit": "d"},
            },
        }
        return {name: value for name, value in (sound | changes).items() if value is not None}

    async def draft(self, *medicines: str, **changes: Any) -> list[Stored]:
        """Draft one line per medicine, each in its own transaction."""
        return [await self.drafted(self.request(medicine, **changes)) for medicine in medicines or ("amlodipine",)]

    async def drafted(self, request: Resource, *, by: Principal | None = None) -> Stored:
        body = msgspec.json.encode(request)
        async with self.database.transaction() as tx:
            read = msgspec.json.decode(body)
            who, now = by or self.doctor(), self.clock.now()
            return await drafting.draft(tx, read, body, id=self.ids.new(), by=who, now=now)

    async def prepare(self, *, by: Principal | None = None) -> Prepared:
        async with self.database.transaction() as tx:
            return await preparing.prepare(tx, self.group, by=by or self.doctor(), ids=self.ids, now=self.clock.now())

    def signature(self, document: bytes, *, at: datetime | None = None, key: ECKey | None = None, **header: Any) -> str:
        """A detached JWS as the doctor's browser makes it."""
        with_key = key or self.key
        issued = int((at or self.clock.now()).timestamp())
        protected = {"alg": "ES256", "kid": with_key.thumbprint(), "iat": issued} | header
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        return jws.detach_content(jws.serialize_compact(protected, document, with_key, registry=registry))

    async def fetch(self, kid: str) -> SigningKey | None:
        """What identity would say of a key."""
        if kid != self.key.thumbprint():
            return None
        holder = self.holder or self.ref("Practitioner", "doctor")
        return SigningKey(kid, dict(self.key.as_dict(private=False)), holder, self.is_revoked)

    async def sign(self, text: str, *, by: Principal | None = None) -> signing.Signed:
        async with self.database.transaction() as tx:
            return await signing.sign(
                tx, self.group, text, by=by or self.doctor(), fetch=self.fetch, ids=self.ids, now=self.clock.now()
            )

    async def submitted(self, *medicines: str) -> signing.Signed:
        """A prescription signed and waiting for review."""
        await self.draft(*medicines)
        return await self.sign(self.signature((await self.prepare()).document))

    async def review(self, task: str, decision: str = "approve", *, reason: str = "", pharmacy: str = "") -> Stored:
        by = self.pharmacist(pharmacy or "hospital-pharmacy")
        async with self.database.transaction() as tx:
            made = {"ids": self.ids, "now": self.clock.now()}
            return await reviewing.review(tx, task, decision=decision, reason=reason, by=by, **made)  # type: ignore[arg-type]

    async def choose(self, task: str, pharmacy: str = "corner", *, by: Principal | None = None) -> str:
        async with self.database.transaction() as tx:
            _, code = await releasing.choose_pharmacy(
                tx,
                task,
                pharmacy=self.ref("Organization", pharmacy),
                by=by or self.patient(),
                key=CODE_KEY,
                ids=self.ids,
                now=self.clock.now(),
            )
            return code

    async def claim(self, task: str, code: str, pharmacy: str = "corner") -> str:
        async with self.database.transaction() as tx:
            by = self.pharmacist(pharmacy)
            return (await claiming.claim(tx, task, code=code, by=by, key=CODE_KEY, now=self.clock.now())).secret

    async def dispense(self, task: str, *items: Item, secret: str, pharmacy: str = "corner") -> list[Stored]:
        async with self.database.transaction() as tx:
            return await dispensing.dispense(
                tx,
                task,
                items,
                secret=secret,
                by=self.pharmacist(pharmacy),
                key=CODE_KEY,
                ids=self.ids,
                now=self.clock.now(),
            )


@asynccontextmanager
async def opened(settings: Settings, *, size: int = 4, **visit: Any) -> AsyncIterator[Hospital]:
    """The hospital, entered into the record under the roles that own each type."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of("pharmacy", settings, size=size))
        hospital = Hospital(f"h{next(_numbers)}", database)
        for room, resources in _everything(hospital, visit).items():
            rooms = await stack.enter_async_context(database_of(room, settings, size=1))
            async with rooms.transaction() as tx:
                await _enter(tx, hospital, resources)
                if room == "appointments":
                    clinic, patient = hospital.ref("HealthcareService", "clinic"), hospital.named("patient")
                    await care.entrust(tx, clinic=clinic, patient=patient, now=NOON)
        yield hospital


async def _enter(tx: Transaction, hospital: Hospital, resources: dict[str, Resource]) -> None:
    for name, resource in resources.items():
        await write.create(tx, resource, id=hospital.named(name), now=NOON)


def _everything(hospital: Hospital, visit: Resource) -> dict[str, dict[str, Resource]]:
    parent = {"reference": hospital.ref("Organization", "hospital")}
    return {
        "appointments": {
            "hospital": {"resourceType": "Organization", "active": True, "name": "医院"},
            "hospital-pharmacy": _pharmacy("hospital-pharmacy", partOf=parent),
            "corner": _pharmacy("retail-pharmacy"),
            "other": _pharmacy("retail-pharmacy"),
            "shut": _pharmacy("retail-pharmacy", active=False),
            "doctor": {"resourceType": "Practitioner", "active": True, "name": [{"text": "李医生"}]},
        },
        "patients": {
            "patient": {"resourceType": "Patient", "name": [{"text": "王小明"}]},
            "penicillin": _allergy(hospital),
            "hypertension": _condition(hospital, "I10", "visit"),
            "earlier": _condition(hospital, "I10", "earlier-visit"),
        },
        "consult": {"visit": encounter(hospital, **visit)},
        "pharmacy": {name: _medication(name, legal) for name, legal in MEDICINES.items()},
    }


def encounter(hospital: Hospital, **changes: Any) -> Resource:
    """The visit: in progress, a confirmed follow-up, unless the test changes it."""
    follow_up = {"url": extension("follow-up"), "extension": [{"url": "judgement", "valueBoolean": True}]}
    sound: Resource = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
        "subject": {"reference": hospital.ref("Patient", "patient")},
        "participant": [{"individual": {"reference": hospital.ref("Practitioner", "doctor")}}],
        "serviceProvider": {"reference": hospital.ref("Organization", "hospital")},
        "extension": [follow_up],
    }
    return {name: value for name, value in (sound | changes).items() if value is not None}


def _pharmacy(kind: str, **more: Any) -> Resource:
    coding = {"system": code_system("organization-kind"), "code": kind}
    return {"resourceType": "Organization", "active": True, "name": kind, "type": [{"coding": [coding]}], **more}


def _allergy(hospital: Hospital) -> Resource:
    return {
        "resourceType": "AllergyIntolerance",
        "patient": {"reference": hospital.ref("Patient", "patient")},
        "code": {"text": "青霉素"},
    }


def _condition(hospital: Hospital, code: str, visit: str) -> Resource:
    return {
        "resourceType": "Condition",
        "subject": {"reference": hospital.ref("Patient", "patient")},
        "encounter": {"reference": hospital.ref("Encounter", visit)},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
        "recordedDate": "2026-03-02",
    }


def _medication(name: str, legal_class: str) -> Resource:
    return {
        "resourceType": "Medication",
        "status": "active",
        "code": {"text": name},
        "extension": [{"url": extension("medication-legal-class"), "valueCode": legal_class}],
    }
