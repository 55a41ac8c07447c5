"""The visit, in the order in which it happens; each step's docstring is its name."""

from collections.abc import Awaitable, Callable

from yuzhen.demo import booking, consulting, dispensing, prescribing
from yuzhen.demo.visit import Visit

STEPS: tuple[Callable[[Visit], Awaitable[str]], ...] = (
    booking.sign_in,
    booking.find,
    booking.hold,
    booking.book,
    booking.check_in,
    booking.call,
    consulting.enter_room,
    consulting.chat,
    consulting.refuse_before_prior_diagnosis,
    consulting.diagnose,
    prescribing.prescribe,
    prescribing.sign,
    consulting.end_visit,
    dispensing.review,
    dispensing.choose_pharmacy,
    dispensing.claim,
    dispensing.dispense,
    dispensing.read_back,
)
