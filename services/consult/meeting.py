"""Patient and doctor meet in the video room of their visit; its media go through a node of our own.

The node is asked between two transactions, so that a slow node keeps no connection to the record waiting.
"""

from dataclasses import dataclass
from datetime import datetime

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.ids import Ids
from record import read
from record.stored import Stored
from record.visible import Everything
from services.consult import fhir, store, visiting
from services.consult.encounter import OPEN, Side, Visit, participant_of
from services.consult.failures import NotByVideo, NotInThisVisit, RoomNotOpen


@dataclass(frozen=True, slots=True)
class Place:
    """Where someone may join: the room is named after its encounter."""

    room: str
    participant: str


async def admitted(tx: Transaction, encounter: str, *, by: Principal) -> Place:
    """The caller's place in the room. Raises ResourceUnknown, NotInThisVisit, NotByVideo, RoomNotOpen."""
    found, side = await visiting.seen(tx, encounter, by=by)
    if fhir.visit_in(found.resource) is not Visit.VIDEO:
        raise NotByVideo
    if fhir.status_in(found.resource) not in OPEN:
        raise RoomNotOpen
    return Place(encounter, participant_of(encounter, side))


async def entered(tx: Transaction, place: Place, *, by: Principal, ids: Ids, now: datetime) -> Stored:
    """Someone has come in; with the doctor the visit begins. Raises RoomNotOpen when it ended in the meantime."""
    await store.lock_visit(tx, place.room)
    found, side = await visiting.seen(tx, place.room, by=by)
    if fhir.status_in(found.resource) not in OPEN:
        raise RoomNotOpen
    if side is Side.PRACTITIONER:
        found = await visiting.begin(tx, found, ids=ids, now=now)
    visiting.announce(tx, found)
    return found


async def own_place(tx: Transaction, encounter: str, participant: str, *, by: Principal) -> tuple[Place, Stored]:
    """The caller's own place, to leave it: nobody shows another out. Raises ResourceUnknown, NotInThisVisit."""
    found, side = await visiting.seen(tx, encounter, by=by)
    place = Place(encounter, participant_of(encounter, side))
    if place.participant != participant:
        raise NotInThisVisit
    return place, found


async def words_of(tx: Transaction, encounter: str) -> list[tuple[str, str]]:
    """Whom to tell that something has happened in a room."""
    found = await read.read_many(tx, "Encounter", [encounter], visible=Everything())
    return [word for one in found for word in visiting.words(one)]


async def closed_among(tx: Transaction, rooms: list[str]) -> list[str]:
    """Those of these rooms whose visit is over, or never was."""
    found = await read.read_many(tx, "Encounter", rooms, visible=Everything())
    still = {one.id for one in found if fhir.status_in(one.resource) in OPEN}
    return [room for room in rooms if room not in still]
