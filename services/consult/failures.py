"""Why a visit's step is refused; the docstring is what the person reads."""

from kernel.failures import Conflict, Forbidden, Invalid, Rule


class NotInThisVisit(Forbidden):
    """Only the patient and the doctor of this visit may do this."""

    code = "not-in-this-visit"


class OnlyItsDoctor(Forbidden):
    """Only the doctor of this visit may do this."""

    code = "only-its-doctor"


class RoomNotOpen(Conflict):
    """The room of this visit is not open: it opens when the doctor calls and closes when the visit ends."""

    code = "room-not-open"


class NotByVideo(Conflict):
    """This visit takes place in the clinic, so it has no video room."""

    code = "not-by-video"


class OfferMissing(Invalid):
    """To join, send a JSON object with your session description as text in "sdp"."""

    code = "offer-missing"


class NotInProgress(Conflict):
    """This visit is not under way. It begins when the doctor enters the room, and does not go on after its end."""

    code = "not-in-progress"


class StartsByJoining(Conflict):
    """A video visit begins when its doctor joins the room."""

    code = "starts-by-joining"


class FollowUpWithoutEvidence(Rule):
    """Online care may only follow up a disease already diagnosed in a hospital, and this booking names no such record.

    Ask the patient to book again with the earlier record, or offer a visit in the clinic.
    """

    code = "tele-01-no-evidence"


class NotFollowUp(Rule):
    """You judged that this is no follow-up: nothing may be prescribed in this visit. Refer the patient to a clinic."""

    code = "tele-03-not-follow-up"


class NotItsSender(Forbidden):
    """A message is sent by its writer alone, who is the patient or the doctor of the visit."""

    code = "not-its-sender"


class MessageUnusable(Rule):
    """A message is completed, of category chat, about the visit's patient, and has one text of 1 to 2000 characters."""

    code = "message-unusable"


class ChatClosed(Conflict):
    """Messages can be written from the doctor's call until the visit ends."""

    code = "chat-closed"
