"""Who in a room receives whom."""

from collections.abc import Sequence
from typing import Protocol

from services.consult.rtc.outlet import Outlet
from services.consult.rtc.track import Track


class Participant(Protocol):
    """Whoever publishes tracks and has outlets to receive others' tracks."""

    tracks: list[Track]
    outlets: list[Outlet]

    @property
    def connected(self) -> bool: ...


def arrange(participants: Sequence[Participant]) -> None:
    """Give every idle outlet a track of its kind from another participant, one its owner does not yet receive.

    Only those who are connected get one: a keyframe asked for earlier would be sent into the void.
    """
    for receiver in (one for one in participants if one.connected):
        taken = {outlet.source for outlet in receiver.outlets}
        others = [track for other in participants if other is not receiver for track in other.tracks]
        for outlet in receiver.outlets:
            free = next((track for track in others if track.kind == outlet.kind and track not in taken), None)
            if outlet.source is None and free is not None:
                outlet.attach(free)
                taken.add(free)
