"""The changing interactions: create, update, patch, delete, by id or by criteria (https://hl7.org/fhir/R4/http.html).

A type with behaviour is changed by its room's use case; the rest by a plain write. Each is recorded in its own
transaction.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.failures import Forbidden
from kernel.service import Room
from record import write
from record.failures import (
    ExistsAlready,
    IdMismatch,
    IdNotOffered,
    PreconditionUnreadable,
    ResourceDeleted,
    ResourceUnknown,
    Subsetted,
    VersionStale,
    WriteNotOffered,
)
from record.interactions.asking import Asking, Changed, may_write, recorded
from record.interactions.cases import Cases, offered
from record.interactions.conditional import Criteria, checked, criteria, hold, the_one
from record.interactions.interaction import Interaction
from record.interactions.negotiation import expected_version, no_parameters, sends_json
from record.interactions.patching import patched
from record.interactions.summary import is_subsetted
from record.ownership import types
from record.permission import permit
from record.read import read
from record.stored import Stored
from record.validation.checking import check
from record.visible import visible_to


async def change(
    tx: Transaction,
    asked: Interaction,
    *,
    by: Principal,
    room: Room,
    cases: Cases,
    id: str | None = None,
    within: bool = False,
) -> Changed:
    """Carry out one changing interaction and record it.

    `id` is the id a create shall give; `within` says that the interaction is part of a larger transaction, which has
    taken `conditional.hold` for all its criteria. Raises what its steps raise, first of all Forbidden.
    """
    by_entry = within and asked.method == "PUT" and asked.type in cases.entries
    if by.role not in types()[asked.type].writers and not by_entry:
        raise Forbidden
    return await STEPS[asked.method](Asking(tx, asked, by, room, cases, id, within))


async def _create(this: Asking) -> Changed:
    """Enter a resource, unless the one it would be is there; its id is the hospital's to give."""
    offered(this.cases.creates.get(this.type))
    no_parameters(this.asked)
    resource = _sent(this.asked)
    if this.asked.if_none_exist is not None:
        found = await _found(this, criteria(this.asked.if_none_exist))
        if found:
            await recorded(this, "R", "create", found)
            return Changed(found, 200)
    return await _entered(this, resource, id=this.id or this.room.ids.new())


async def _update(this: Asking) -> Changed:
    """Replace a resource by its next version; one that is not there is entered where that is allowed."""
    if this.asked.id is None:
        _changeable(this.type)
    this.cases.update(this.type, within=this.within)
    resource = _sent(this.asked)
    only_new, expected = _only_if_new(this.asked), expected_version(this.asked.if_match)
    if this.asked.id is not None and resource.get("id") != this.asked.id:
        raise IdMismatch(expression=f"{this.type}.id")
    try:
        standing = await _standing(this)
    except ResourceDeleted:
        if only_new:
            raise
        return await _brought_back(this, resource, expected=expected)
    if standing is None:
        return await _entered_by_update(this, resource)
    if only_new:
        raise ExistsAlready
    if resource.setdefault("id", standing.id) != standing.id:
        raise IdMismatch(expression=f"{this.type}.id")
    return await _replaced(this, "update", standing, resource, this.asked.body, expected=expected)


async def _patch(this: Asking) -> Changed:
    """Change a resource in part; what comes of it is held to what any replacement is held to."""
    _changeable(this.type)
    case = this.cases.update(this.type, within=this.within)
    expected = expected_version(this.asked.if_match)
    standing = await _standing(this)
    if standing is None:
        raise ResourceUnknown
    if case is None:
        # A plain write waits for its turn here. A use case has an order of its own, and is told the version instead.
        await write.lock(this.tx, this.type, standing.id, expected=expected)
        standing = await read(this.tx, this.type, standing.id, visible=visible_to(this.by))
    elif expected not in {None, standing.version}:
        raise VersionStale
    body = patched(standing.body, this.asked.body, media_type=this.asked.media_type)
    resource = _sound(body, type=this.type)
    if resource.get("id") != standing.id:
        raise IdMismatch("A patch may not change them.", expression=f"{this.type}.id")
    return await _replaced(this, "patch", standing, resource, body, expected=standing.version)


async def _delete(this: Asking) -> Changed:
    """Delete a resource; deleting what is not there, or again, changes nothing."""
    _changeable(this.type)
    case = offered(this.cases.deletes.get(this.type))
    expected = expected_version(this.asked.if_match)
    try:
        standing = await _standing(this)
    except ResourceDeleted:
        return Changed(None, 204)
    if standing is None:
        if this.asked.id is not None:
            raise ResourceUnknown
        await recorded(this, "D", "delete", None)
        return Changed(None, 204)
    if case is None:
        if standing.patient is not None:
            await permit(this.tx, standing.patient, visible=visible_to(this.by))
        now = this.room.clock.now()
        try:
            stored = await write.delete(this.tx, this.type, standing.id, now=now, expected=expected)
        except ResourceDeleted:
            return Changed(None, 204)
    else:
        stored = await case(this.tx, id=standing.id, expected=expected, by=this.by, room=this.room)
    await recorded(this, "D", "delete", stored)
    return Changed(stored, 204)


STEPS: Mapping[str, Callable[[Asking], Awaitable[Changed]]] = {
    "POST": _create,
    "PUT": _update,
    "PATCH": _patch,
    "DELETE": _delete,
}


async def _replaced(
    this: Asking, interaction: str, standing: Stored, resource: dict[str, Any], body: bytes, *, expected: int | None
) -> Changed:
    """The resource's next version, by its room's use case or by a plain write."""
    _changeable(this.type)
    case = this.cases.update(this.type, within=this.within)
    if case is None:
        await may_write(this, resource, instead_of=standing)
        stored = await write.update(this.tx, body, id=standing.id, now=this.room.clock.now(), expected=expected)
    else:
        stored = await case(this.tx, resource, body, id=standing.id, expected=expected, by=this.by, room=this.room)
    await recorded(this, "U", interaction, stored)
    return Changed(stored, 200)


def _changeable(type: str) -> None:
    """What is only ever added to keeps each of its resources as entered. Raises WriteNotOffered."""
    if types()[type].append_only:
        raise WriteNotOffered("It is only ever added to: send a further one.")


def _sent(asked: Interaction) -> dict[str, Any]:
    """The resource in the body, found sound."""
    sends_json(asked.media_type)
    return _sound(asked.body, type=asked.type)


def _sound(body: bytes, *, type: str) -> dict[str, Any]:
    """The resource in these bytes, whole and valid. Raises Subsetted and what `validation.check` raises."""
    resource = check(body, type=type)
    if is_subsetted(resource):
        raise Subsetted(expression=f"{type}.meta.tag")
    return resource


def _only_if_new(asked: Interaction) -> bool:
    """Whether the client wants to create, never to replace. Raises PreconditionUnreadable."""
    if asked.if_none_match is None:
        return False
    if asked.if_none_match.strip() != "*":
        raise PreconditionUnreadable("A change takes If-None-Match: * alone.")
    return True


async def _standing(this: Asking) -> Stored | None:
    """The version in force of what is named or described, or None. Raises ResourceDeleted, MultipleMatches."""
    if this.asked.id is None:
        return await _found(this, checked(this.asked.query))
    no_parameters(this.asked)
    try:
        return await read(this.tx, this.type, this.asked.id, visible=visible_to(this.by))
    except ResourceUnknown:
        return None


async def _found(this: Asking, pairs: Criteria) -> Stored | None:
    """The one resource that fits; the transaction that asks has it to itself until it ends."""
    if this.by.role not in types()[this.type].readers:
        raise Forbidden
    now = this.room.clock.now()
    if not this.within:
        await hold(this.tx, [(this.type, pairs)], now=now)
    return await the_one(this.tx, this.type, pairs, visible=visible_to(this.by), now=now)


async def _entered_by_update(this: Asking, resource: dict[str, Any]) -> Changed:
    """A resource that was to be replaced and is not there: entered, under the client's own id for systems alone.

    Raises VersionStale, IdNotOffered, IdTaken.
    """
    if this.by.role not in types()[this.type].writers:
        raise Forbidden
    if this.asked.if_match is not None:
        raise VersionStale
    if "id" not in resource:
        return await _entered(this, resource, id=this.id or this.room.ids.new())
    if this.by.role is not Role.SYSTEM or not this.cases.enters(this.type):
        raise IdNotOffered
    if this.asked.id is not None and not this.within:
        # Twins that both found nothing come one after the other from here; the second then replaces.
        await hold(this.tx, [(this.type, [("_id", this.asked.id)])], now=this.room.clock.now())
        if await _standing(this):
            return await _update(this)
    return await _entered(this, resource, id=resource["id"])


async def _brought_back(this: Asking, resource: dict[str, Any], *, expected: int | None) -> Changed:
    """A system enters a deleted resource of its own again; its history goes on. Raises ResourceDeleted.

    What a room's use case deleted stays so: that case alone knows what hangs on it.
    """
    id_, cases = resource["id"], this.cases
    if this.by.role is not Role.SYSTEM or this.type in {**cases.creates, **cases.updates, **cases.deletes}:
        raise ResourceDeleted
    await may_write(this, resource)
    now = this.room.clock.now()
    stored = await write.update(this.tx, this.asked.body, id=id_, now=now, expected=expected, revive=True)
    await recorded(this, "C", "update", stored)
    return Changed(stored, 201)


async def _entered(this: Asking, resource: dict[str, Any], *, id: str) -> Changed:
    case = offered(this.cases.creates.get(this.type))
    if case is None:
        await may_write(this, resource | {"id": id})
        stored = await write.create(this.tx, this.asked.body, id=id, now=this.room.clock.now())
    else:
        stored = await case(this.tx, resource, this.asked.body, id=id, by=this.by, room=this.room)
    # A use case may find that the hospital has this very thing already: then nothing was entered.
    entered = stored.id == id
    await recorded(this, "C" if entered else "R", "create", stored)
    return Changed(stored, 201 if entered else 200)
