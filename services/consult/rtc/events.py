"""What happens in a node's rooms, as values, and the same as protobuf messages."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from proto.yuzhen.consult.v1 import rtc_pb2 as wire


class LeftReason(StrEnum):
    """Why a participant's connection is gone."""

    CLOSED = "closed"
    TIMEOUT = "timeout"
    REPLACED = "replaced"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Hello:
    """A node's stream has begun: which run of the node it is, and who is in its rooms as (room, participant)."""

    run: str
    present: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Connected:
    """A participant's media connection stands."""

    room: str
    participant: str


@dataclass(frozen=True, slots=True)
class MediaFlowing:
    """The first audio or video of a participant has arrived."""

    room: str
    participant: str
    kind: str


@dataclass(frozen=True, slots=True)
class Left:
    """A participant's connection is gone."""

    room: str
    participant: str
    reason: LeftReason


@dataclass(frozen=True, slots=True)
class Load:
    """How much a node does; counts run since its start."""

    rooms: int
    participants: int
    packets_received: int
    packets_sent: int
    packets_dropped: int
    packets_refused: int


Event: TypeAlias = Hello | Connected | MediaFlowing | Left | Load

_REASONS = {
    LeftReason.CLOSED: wire.Left.REASON_CLOSED,
    LeftReason.TIMEOUT: wire.Left.REASON_TIMEOUT,
    LeftReason.REPLACED: wire.Left.REASON_REPLACED,
    LeftReason.REFUSED: wire.Left.REASON_REFUSED,
}
_REASON_OF = {number: reason for reason, number in _REASONS.items()}


def load_to_wire(load: Load) -> wire.Load:
    """A node's load as a message."""
    return wire.Load(
        rooms=load.rooms,
        participants=load.participants,
        packets_received=load.packets_received,
        packets_sent=load.packets_sent,
        packets_dropped=load.packets_dropped,
        packets_refused=load.packets_refused,
    )


def load_from_wire(load: wire.Load) -> Load:
    """A node's load read from a message."""
    return Load(
        load.rooms,
        load.participants,
        load.packets_received,
        load.packets_sent,
        load.packets_dropped,
        load.packets_refused,
    )


def to_wire(event: Event) -> wire.Event:
    """An event as a message."""
    match event:
        case Hello():
            present = [wire.Presence(room=room, participant=who) for room, who in sorted(event.present)]
            return wire.Event(hello=wire.Hello(run=event.run, present=present))
        case Connected():
            return wire.Event(connected=wire.Connected(room=event.room, participant=event.participant))
        case MediaFlowing():
            flowing = wire.MediaFlowing(room=event.room, participant=event.participant, kind=event.kind)
            return wire.Event(media_flowing=flowing)
        case Left():
            reason = _REASONS[event.reason]
            return wire.Event(left=wire.Left(room=event.room, participant=event.participant, reason=reason))
        case Load():
            return wire.Event(heartbeat=load_to_wire(event))


def from_wire(event: wire.Event) -> Event | None:
    """An event read from a message; None for a kind this version does not know."""
    match event.WhichOneof("event"):
        case "hello":
            return Hello(event.hello.run, frozenset((p.room, p.participant) for p in event.hello.present))
        case "connected":
            return Connected(event.connected.room, event.connected.participant)
        case "media_flowing":
            flowing = event.media_flowing
            return MediaFlowing(flowing.room, flowing.participant, flowing.kind)
        case "left":
            reason = _REASON_OF.get(event.left.reason, LeftReason.CLOSED)
            return Left(event.left.room, event.left.participant, reason)
        case "heartbeat":
            return load_from_wire(event.heartbeat)
    return None
