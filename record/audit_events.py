"""Audit rows as FHIR AuditEvents, read and searched like any resource (https://profiles.ihe.net/ITI/BALP/).

A patient sees the accesses to the own record, systems see all; nobody else sees any.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from kernel.database import Transaction
from record.canonical import BASE
from record.failures import ModifierUnknown, ResourceUnknown
from record.search.criterion import AnyKey, Criterion, Dates, IdIn
from record.search.pages import Position
from record.search.query import Query, parse
from record.search.searching import SECONDS_AT_MOST, Page
from record.search.sql import Arguments, instant_condition
from record.splice import instant
from record.stored import Stored
from record.visible import Everything, OnlyPatient, Visible

COLUMNS = (
    "a.id, a.at, a.account, a.role, a.fhir_user, a.action, a.interaction, a.type, a.entity, a.version, a.patient,"
    " a.outcome, a.request, a.query"
)
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"


async def read_event(tx: Transaction, id: str, *, visible: Visible) -> Stored:
    """One AuditEvent. Raises ResourceUnknown."""
    arguments = Arguments([id])
    row = await tx.raw.fetchrow(
        f"select {COLUMNS} from record.audit a where a.id = $1 and {_seen(visible, arguments)}",  # noqa: S608
        *arguments,
    )
    if row is None:
        raise ResourceUnknown
    return _rendered(row)


async def search_events(
    tx: Transaction,
    query: Sequence[tuple[str, str]],
    *,
    visible: Visible,
    now: datetime,
    after: Position | None = None,
    lenient: bool = False,
) -> Page:
    """The AuditEvents that match, in order of time. Raises as `search`."""
    asked = parse("AuditEvent", query, now=now, lenient=lenient)
    arguments = Arguments()
    matching = _matching(asked, visible, arguments)
    total = None
    if asked.total:
        counted = f"select count(*) from record.audit a where {matching}"  # noqa: S608 - numbered arguments only
        total = await tx.raw.fetchval(counted, *arguments, timeout=SECONDS_AT_MOST)
    if asked.count == 0:
        return Page([], total=total, ignored=asked.ignored)
    order, beyond = ("desc", "<") if asked.sort and asked.sort[0].descending else ("asc", ">")
    if after:
        matching += f" and (a.at, a.id) {beyond} ({arguments.add(after.values[0])}, {arguments.add(after.id)})"
    statement = (
        f"select {COLUMNS} from record.audit a where {matching}"  # noqa: S608 - numbered arguments only
        f" order by a.at {order}, a.id {order} limit {asked.count + 1}"
    )
    rows = await tx.raw.fetch(statement, *arguments, timeout=SECONDS_AT_MOST)
    last = rows[asked.count - 1] if len(rows) > asked.count else None
    return Page(
        [_rendered(row) for row in rows[: asked.count]],
        total=total,
        next=Position((last["at"],), last["id"]) if last else None,
        ignored=asked.ignored,
    )


def _seen(visible: Visible, arguments: Arguments) -> str:
    match visible:
        case Everything():
            return "true"
        case OnlyPatient(patient):
            return f"a.patient = {arguments.add(patient)}"
        case _:
            return "false"


def _matching(asked: Query, visible: Visible, arguments: Arguments) -> str:
    return " and ".join([_seen(visible, arguments), *(_where(one, arguments) for one in asked.conditions)])


def _where(condition: Criterion, arguments: Arguments) -> str:
    match condition:
        case IdIn(ids):
            return f"a.id = any({arguments.add(list(ids), 'text[]')})"
        case Dates(values=values):
            return instant_condition(values, "a.at", arguments)
        case AnyKey(parameter=parameter, forms=forms, negated=negated):
            column, wanted = _column(parameter.code, forms)
            return f"{'not ' if negated else ''}{column} = any({arguments.add(wanted, 'text[]')})"
    raise ModifierUnknown("AuditEvent is searched without modifiers.")


def _column(code: str, forms: tuple[str, ...]) -> tuple[str, list[str]]:
    """The column that holds a parameter, and the values to look for in it."""
    plain = [form.rpartition("|")[2] for form in forms]
    match code:
        case "patient":
            return "coalesce(a.patient, '')", [form.removeprefix("Patient/") for form in forms]
        case "agent":
            return "a.fhir_user", list(forms)
        case "entity":
            return "a.entity", list(forms)
        case "type":
            return "'rest'", plain
        case "subtype":
            return "a.interaction", plain
        case _:
            return f"a.{code}", plain


def _rendered(row: Any) -> Stored:
    body = orjson.dumps(_event(row))
    return Stored("AuditEvent", row["id"], 1, row["at"], False, row["patient"], body)


def _event(row: Any) -> dict[str, Any]:
    operation = row["interaction"].startswith("$")
    return {
        "resourceType": "AuditEvent",
        "id": row["id"],
        "meta": {"versionId": "1", "lastUpdated": instant(row["at"])},
        "type": {"system": EVENT_TYPE, "code": "rest", "display": "RESTful Operation"},
        "subtype": [{"system": INTERACTION, "code": "operation" if operation else row["interaction"]}],
        "action": row["action"],
        "recorded": instant(row["at"]),
        "outcome": row["outcome"],
        "agent": [_agent(row)],
        "source": {"observer": {"display": "Yuzhen"}, "type": [{"code": "4", "display": "Application Server"}]},
        "entity": list(_entities(row)),
    }


def _agent(row: Any) -> dict[str, Any]:
    who = {"reference": row["fhir_user"]} if row["fhir_user"] else {"display": "system"}
    return {
        "role": [{"coding": [{"system": f"{BASE}/CodeSystem/role", "code": row["role"]}]}],
        "who": who | {"identifier": {"system": f"{BASE}/account", "value": row["account"]}},
        "requestor": True,
    }


def _entities(row: Any) -> list[dict[str, Any]]:
    object_ = {"system": ENTITY_TYPE, "code": "2", "display": "System Object"}
    entities: list[dict[str, Any]] = []
    if row["entity"]:
        version = f"/_history/{row['version']}" if row["version"] else ""
        what = {"what": {"reference": row["entity"] + version}, "type": object_}
        entities.append(what | {"role": {"system": OBJECT_ROLE, "code": "4", "display": "Domain Resource"}})
    if row["patient"]:
        person = {"system": ENTITY_TYPE, "code": "1", "display": "Person"}
        role = {"system": OBJECT_ROLE, "code": "1", "display": "Patient"}
        entities.append({"what": {"reference": f"Patient/{row['patient']}"}, "type": person, "role": role})
    details = [("interaction", row["interaction"]), ("type", row["type"])]
    if row["query"]:
        details.append(("query-digest", row["query"].hex()))
    entities.append(
        {
            "type": object_,
            "role": {"system": OBJECT_ROLE, "code": "24", "display": "Query"},
            **(
                {"what": {"identifier": {"system": f"{BASE}/request", "value": row["request"]}}}
                if row["request"]
                else {}
            ),
            "detail": [{"type": name, "valueString": value} for name, value in details if value],
        }
    )
    return entities
