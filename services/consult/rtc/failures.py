"""Why a participant could not be let into a room's media; the docstring is what the caller reads."""

from kernel.failures import Busy, Conflict, Failure, Invalid


class RoomFull(Conflict):
    """The room already has as many participants as it takes. Ask one to leave first."""

    code = "room-full"


class OfferInvalid(Invalid):
    """The session description offered cannot be served. Reload the page with a current browser and join again."""

    code = "offer-invalid"


class NodeDown(Busy):
    """The media server is not reachable just now. The visit continues as soon as it is back; join again in a moment."""

    code = "media-node-down"


class NodeSlow(Busy):
    """The media server did not answer in time. Join again in a moment."""

    code = "media-node-slow"


class NodeRefused(Busy):
    """The media server could not do this. Join again in a moment."""

    code = "media-node-refused"


BY_CODE: dict[str, type[Failure]] = {
    kind.code: kind for kind in (RoomFull, OfferInvalid, NodeDown, NodeSlow, NodeRefused)
}


def by_code(code: str, diagnostics: str) -> Failure:
    """The failure a node's refusal stands for; a code this version does not know is a Busy."""
    return BY_CODE.get(code, NodeRefused)(diagnostics)
