"""What a prescription must be before a doctor may sign it, judged by the rule pack of its day."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType

from kernel.clock import CHONGQING, local
from kernel.failures import Failure
from kernel.rules import DatedRule, RulePack
from services.pharmacy.failures import (
    ControlledOnline,
    DirectionsVague,
    FollowUpUnconfirmed,
    NeverOnline,
    NoDiagnosis,
    NoDose,
    NoFrequency,
    NoMedicine,
    NoQuantity,
    NoRoute,
    SessionNotLive,
    SupplyTooLong,
    SupplyUnstated,
    TooManyMedicines,
    ValidityTooLong,
)
from services.pharmacy.order import is_amount
from services.pharmacy.policy import Stage, decided_at


@dataclass(frozen=True, slots=True)
class Visit:
    """The visit a prescription comes from. `practitioners` are references, `provider` the hospital's."""

    encounter: str
    patient: str
    status: str
    practitioners: tuple[str, ...]
    is_follow_up: bool
    provider: str


@dataclass(frozen=True, slots=True)
class Line:
    """One medicine of a prescription; empty text and None mean that the doctor has not stated it.

    `conditions` are references, `days` and `quantity` exact, `reason` why more than the usual days are supplied.
    """

    id: str
    version: int
    medication: str
    legal_class: str
    conditions: tuple[str, ...]
    directions: tuple[str, ...]
    route: str
    has_frequency: bool
    dose: Decimal | None
    dose_unit: str
    quantity: Decimal | None
    unit: str
    days: Decimal | None
    is_long_term: bool
    reason: str
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a decision looks at. `diagnoses` are the references of the visit's standing conditions."""

    lines: tuple[Line, ...]
    visit: Visit
    diagnoses: frozenset[str]
    authored_at: datetime
    is_correction: bool = False


def judge(case: Case, pack: RulePack) -> tuple[str, ...]:
    """Ids of the rules that were asked and content. Raises the failures of all others, as one."""
    asked = decided_at(Stage.PRESCRIBE, pack)
    broken = [failure for rule in asked for failure in CHECKS[rule.id](case, rule)]
    for failure in broken:
        failure.diagnostics = f"{failure.diagnostics} Rule pack {pack.name}.".strip()
    if broken:
        broken[0].others = tuple(broken[1:])
        raise broken[0]
    return tuple(rule.id for rule in asked)


def expiry(lines: Sequence[Line], authored_at: datetime, pack: RulePack) -> datetime:
    """When the prescription ends: with its day, or with the extension the doctor stated."""
    stated = [line.valid_until for line in lines if line.valid_until]
    return min(stated) if stated else _end_of_day(authored_at, pack["RX-01"]["usual_days"])


def _end_of_day(authored_at: datetime, days: int) -> datetime:
    midnight = datetime.combine(local(authored_at).date(), time(), CHONGQING)
    return midnight + timedelta(days=days)


def _place(line: Line, element: str) -> str:
    return f"MedicationRequest.where(id='{line.id}').{element}"


def _follow_up(case: Case, rule: DatedRule) -> Iterator[Failure]:
    if not case.visit.is_follow_up:
        yield FollowUpUnconfirmed(case.visit.encounter)


def _session(case: Case, rule: DatedRule) -> Iterator[Failure]:
    if case.visit.status not in rule["correcting" if case.is_correction else "live"]:
        yield SessionNotLive(f"{case.visit.encounter} is {case.visit.status}.")


def _controlled(case: Case, rule: DatedRule) -> Iterator[Failure]:
    for line in case.lines:
        if line.medication and line.legal_class not in rule["allowed"]:
            yield ControlledOnline(line.medication, expression=_place(line, "medication"))


def _never_online(case: Case, rule: DatedRule) -> Iterator[Failure]:
    for line in case.lines:
        if line.legal_class in rule["never"]:
            yield NeverOnline(line.medication, expression=_place(line, "medication"))


def _validity(case: Case, rule: DatedRule) -> Iterator[Failure]:
    latest = _end_of_day(case.authored_at, rule["longest_days"])
    for line in case.lines:
        if line.valid_until and not case.authored_at < line.valid_until <= latest:
            yield ValidityTooLong(expression=_place(line, "dispenseRequest.validityPeriod"))


def _number(case: Case, rule: DatedRule) -> Iterator[Failure]:
    if len(case.lines) > rule["most_medicines"]:
        yield TooManyMedicines(f"It holds {len(case.lines)}.")


def _supply(case: Case, rule: DatedRule) -> Iterator[Failure]:
    usual, longest = rule["usual_days"], rule["longest_days"]
    for line in case.lines:
        place = _place(line, "dispenseRequest.expectedSupplyDuration")
        if line.days is None or not is_amount(line.days):
            yield SupplyUnstated(expression=place)
        elif line.days > longest or (line.days > usual and not (line.is_long_term or line.reason)):
            yield SupplyTooLong(f"It lasts {line.days} days.", expression=place)


def _form(case: Case, rule: DatedRule) -> Iterator[Failure]:
    for line in case.lines:
        if not line.medication:
            yield NoMedicine(expression=_place(line, "medication"))
        if not line.conditions or not set(line.conditions) <= case.diagnoses:
            yield NoDiagnosis(expression=_place(line, "reasonReference"))
        yield from _dosage(line)
        if _is_vague(line, rule["vague"]):
            yield DirectionsVague(expression=_place(line, "dosageInstruction"))
        if not is_amount(line.quantity) or not line.unit:
            yield NoQuantity(expression=_place(line, "dispenseRequest.quantity"))


def _dosage(line: Line) -> Iterator[Failure]:
    if not is_amount(line.dose) or not line.dose_unit:
        yield NoDose(expression=_place(line, "dosageInstruction.doseAndRate"))
    if not line.route:
        yield NoRoute(expression=_place(line, "dosageInstruction.route"))
    if not line.has_frequency:
        yield NoFrequency(expression=_place(line, "dosageInstruction.timing"))


def _is_vague(line: Line, vague: Sequence[str]) -> bool:
    said = ["".join(text.split()).casefold() for text in line.directions]
    return not any(said) or any("".join(word.split()).casefold() in text for word in vague for text in said)


Check = Callable[[Case, DatedRule], Iterator[Failure]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "TELE-01": _follow_up,
        "TELE-04": _controlled,
        "TELE-08": _session,
        "O2O-02": _never_online,
        "RX-01": _validity,
        "RX-02": _number,
        "RX-03": _supply,
        "RX-04": _form,
    }
)
"""How each rule of the stage `prescribe` is checked; a pack can only name rules that stand here."""
