"""The changing interactions of one type: create, update, delete (https://hl7.org/fhir/R4/http.html).

A type with behaviour is changed by its room's use case; the rest by a plain write. Each is recorded in its own
transaction.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fastapi import Request
from fastapi.responses import Response

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.service import Room
from record import write
from record.answers import changed
from record.audit import AuditEntry
from record.compartment import patient_of
from record.edge import base_of, did, request_id, room_of
from record.failures import (
    IdMismatch,
    IdNotOffered,
    PatientMissing,
    ResourceDeleted,
    ResourceUnknown,
    WriteNotOffered,
)
from record.negotiation import accepts_json, expected_version, no_condition, no_parameters, sends_json
from record.ownership import types
from record.permission import permit
from record.read import read
from record.stored import Stored
from record.validation import check
from record.visible import visible_to


class CreateCase(Protocol):
    """A room's own way of entering a resource that a client sent."""

    async def __call__(
        self, tx: Transaction, resource: dict[str, Any], body: bytes, *, by: Principal, room: Room
    ) -> Stored: ...


class UpdateCase(Protocol):
    """A room's own way of replacing a resource; it has been found to exist and to be visible."""

    async def __call__(
        self,
        tx: Transaction,
        resource: dict[str, Any],
        body: bytes,
        *,
        id: str,
        expected: int | None,
        by: Principal,
        room: Room,
    ) -> Stored: ...


class DeleteCase(Protocol):
    """A room's own way of deleting a resource; it has been found to exist and to be visible."""

    async def __call__(
        self, tx: Transaction, *, id: str, expected: int | None, by: Principal, room: Room
    ) -> Stored: ...


@dataclass(frozen=True, slots=True)
class NotOffered:
    """This type is not changed this way: answered with 405 and what to use instead, such as `Appointment/$book`."""

    instead: str


Create = CreateCase | NotOffered
Update = UpdateCase | NotOffered
Delete = DeleteCase | NotOffered

Case = TypeVar("Case", CreateCase, UpdateCase, DeleteCase)


async def answer_create(request: Request, type_: str, by: Principal, case: Create | None) -> Response:
    """Enter a resource; its id is the hospital's to give."""
    _offered(case)
    no_condition(request)
    resource, body = await _sent(request, type_)
    tx, room = request.state.tx, room_of(request)
    if case is None:
        stored = await _plain_create(tx, resource, body, type_=type_, by=by, room=room)
    else:
        stored = await _offered(case)(tx, resource, body, by=by, room=room)
    await did(request, _entry(request, by, "C", "create", stored))
    return changed(request, stored, base=base_of(request), status=201)


async def answer_update(request: Request, type_: str, id_: str, by: Principal, case: Update | None) -> Response:
    """Replace a resource by its next version."""
    _offered(case)
    resource, body = await _sent(request, type_)
    if resource.get("id") != id_:
        raise IdMismatch(expression=f"{type_}.id")
    tx, room, expected = request.state.tx, room_of(request), expected_version(request)
    standing = await _standing(tx, type_, id_, by)
    if case is None:
        if standing.patient is not None:
            await permit(tx, standing.patient, visible=visible_to(by))
        stored = await write.update(tx, body, id=id_, now=room.clock.now(), expected=expected)
    else:
        stored = await _offered(case)(tx, resource, body, id=id_, expected=expected, by=by, room=room)
    await did(request, _entry(request, by, "U", "update", stored))
    return changed(request, stored, base=base_of(request), status=200)


async def answer_delete(request: Request, type_: str, id_: str, by: Principal, case: Delete | None) -> Response:
    """Delete a resource; deleting it again changes nothing."""
    _offered(case)
    accepts_json(request)
    no_parameters(request)
    tx, room, expected = request.state.tx, room_of(request), expected_version(request)
    try:
        standing = await read(tx, type_, id_, visible=visible_to(by))
    except ResourceDeleted:
        return Response(None, 204)
    if case is None:
        if standing.patient is not None:
            await permit(tx, standing.patient, visible=visible_to(by))
        stored = await write.delete(tx, type_, id_, now=room.clock.now(), expected=expected)
    else:
        stored = await _offered(case)(tx, id=id_, expected=expected, by=by, room=room)
    await did(request, _entry(request, by, "D", "delete", stored))
    return Response(None, 204, headers={"ETag": stored.etag})


def _offered(case: Case | NotOffered | None) -> Case:
    """The use case itself. Raises WriteNotOffered."""
    if isinstance(case, NotOffered):
        raise WriteNotOffered(f"Use {case.instead}.")
    return case  # type: ignore[return-value]


async def _sent(request: Request, type_: str) -> tuple[dict[str, Any], bytes]:
    """The resource in the body, found sound, and its bytes."""
    accepts_json(request)
    no_parameters(request)
    sends_json(request)
    body = await request.body()
    return check(body, type=type_), body


async def _standing(tx: Transaction, type_: str, id_: str, by: Principal) -> Stored:
    try:
        return await read(tx, type_, id_, visible=visible_to(by))
    except ResourceUnknown:
        raise IdNotOffered from None


async def _plain_create(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, type_: str, by: Principal, room: Room
) -> Stored:
    id_ = room.ids.new()
    if types()[type_].compartment:
        patient = patient_of(resource | {"id": id_})
        if patient is None:
            raise PatientMissing
        await permit(tx, patient, visible=visible_to(by))
    return await write.create(tx, body, id=id_, now=room.clock.now())


def _entry(request: Request, by: Principal, action: str, interaction: str, stored: Stored) -> AuditEntry:
    return AuditEntry.by(
        by,
        action,
        interaction,
        stored.type,
        entity=stored.reference,
        version=stored.version,
        patient=stored.patient,
        request=request_id(request),
    )
