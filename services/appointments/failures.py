"""Why a booking or a call is refused; the docstring is what the person reads."""

from kernel.failures import Conflict, Forbidden, Invalid, Rule, Unknown


class SlotUnknown(Unknown):
    """This time does not exist. Search again and choose from the times shown."""

    severity = "fatal"
    code = "slot-unknown"


class SlotTaken(Conflict):
    """Someone else has just booked this time. Choose another."""

    code = "slot-taken"


class SlotNotBusy(Rule):
    """This time is not taken up entirely, so its Slot cannot be busy. Send the Appointment that takes it along."""

    code = "slot-not-busy"


class SlotPast(Rule):
    """This time has already begun. Choose a later one."""

    code = "slot-past"


class SlotInUse(Conflict):
    """Patients have booked this time. Move or cancel their visits first."""

    code = "slot-in-use"


class NotHeld(Unknown):
    """This time cannot be held: it is taken, past or unknown. Search again and choose another."""

    severity = "fatal"
    code = "not-held"


class HoldExpired(Conflict):
    """The time you had chosen was kept for a few minutes and is free for others again. Choose anew."""

    code = "hold-expired"


class AlreadyBooked(Conflict):
    """This patient has already booked this time."""

    code = "already-booked"


class NotThisPatient(Forbidden):
    """You can book and change visits for yourself only, or, as staff, for patients of your clinic."""

    code = "not-this-patient"


class NotRealName(Rule):
    """Booking needs the patient's verified identity number (BOOK-01). Bring the identity card to the service desk."""

    code = "book-01-real-name"


class PriorRecordUnknown(Rule):
    """The earlier record you chose does not exist or is not this patient's. Choose one from the list."""

    code = "prior-record-unknown"


class VisitTypeMismatch(Rule):
    """This time is for another kind of visit. Choose a time that offers the kind of visit you want."""

    code = "visit-type-mismatch"


class QuestionIncomplete(Invalid):
    """Something is missing from the request."""

    issue, code = "required", "question-incomplete"


class NotBooked(Conflict):
    """This visit is not booked, so this cannot be done with it."""

    code = "not-booked"


class TooEarly(Rule):
    """Check-in is not open yet. It opens shortly before the visit."""

    code = "check-in-too-early"


class TooLate(Rule):
    """Check-in for this visit is over. Call the service desk or book another time."""

    code = "check-in-too-late"


class NotCheckedIn(Conflict):
    """This patient has not checked in."""

    code = "not-checked-in"


class StillCalled(Conflict):
    """A patient you called has not come in yet. Call again, or skip that patient first."""

    code = "still-called"


class NotYourQueue(Forbidden):
    """Only the doctor of this schedule calls patients from its queue."""

    code = "not-your-queue"


class OnlyCancel(Rule):
    """A booked visit is changed by $book, $cancel and $check-in; directly only its comment can be rewritten."""

    code = "only-by-operation"


class ScheduleUnusable(Rule):
    """A schedule needs exactly one Practitioner, one HealthcareService and one Location among its actors."""

    code = "schedule-unusable"


class SlotUnusable(Rule):
    """A slot needs a known schedule, a later end than start, 30 minutes at most (BOOK-02), and starts out free."""

    code = "slot-unusable"
