"""Why a prescription, a review or a hand-over is refused; the docstring is what the person reads.

A refusal by a rule of law names the rule and its source; its code begins with the rule's name.
"""

from kernel.failures import Busy, Conflict, Forbidden, Invalid, Rule, Unknown


class ParameterMissing(Invalid):
    """The operation needs a parameter that is not there, or is there more than once."""

    issue, code = "required", "parameter-missing"


class OrderUnknown(Unknown):
    """There is no such order, or it is not yours to see."""

    code = "order-unknown"


class NothingDrafted(Unknown):
    """There are no drafts of yours in this group. Draft the prescription's lines first."""

    code = "nothing-drafted"


class GroupTaken(Conflict):
    """This group belongs to another prescription. Choose a new group identifier."""

    code = "group-taken"


class OrderElsewhere(Conflict):
    """The order is not where this step is possible. Read the Task again."""

    code = "order-elsewhere"


class DraftSigned(Conflict):
    """A signed line is not changed any more. Cancel the order, or correct it with new drafts after a return."""

    code = "draft-signed"


class DraftUnfit(Invalid):
    """A line is drafted with status draft, intent order, a group, an encounter and a Medication by reference."""

    code = "draft-unfit"


class VisitsMixed(Rule):
    """All lines of a prescription belong to one patient and one visit. Use a group of its own for each."""

    code = "visits-mixed"


class NotTreating(Forbidden):
    """Only the treating doctor prescribes, in person and for this visit (TELE-08, 互联网诊疗监管细则 2022 art. 21)."""

    code = "tele-08-not-treating-doctor"


class NotPrescriber(Forbidden):
    """Only the doctor who signed this prescription may withdraw it."""

    code = "not-prescriber"


class SessionNotLive(Rule):
    """A prescription is written while the visit is in progress (TELE-08, 互联网诊疗监管细则 2022 art. 21)."""

    code = "tele-08-session-not-live"


class FollowUpUnconfirmed(Rule):
    """Confirm first that this visit follows up an earlier diagnosis (TELE-01, 互联网诊疗管理办法 2018 art. 16)."""

    code = "tele-01-follow-up-unconfirmed"


class ControlledOnline(Rule):
    """This medicine is specially controlled and is never ordered online (TELE-04, 互联网诊疗管理办法 2018 art. 19)."""

    code = "tele-04-controlled-medicine"


class NeverOnline(Rule):
    """Medicines of this class are never supplied online (O2O-02, 药品管理法 2019 art. 61)."""

    code = "o2o-02-never-online"


class ValidityTooLong(Rule):
    """A prescription is valid on its day, or 3 days at most if extended (RX-01, 处方管理办法 2007 art. 18)."""

    code = "rx-01-validity-too-long"


class SigningDayDiffers(Rule):
    """Sign a prescription on the day it is written; prepare it anew (RX-01, 处方管理办法 2007 art. 18)."""

    code = "rx-01-signing-day"


class PrescriptionExpired(Rule):
    """The prescription is no longer valid. Ask the doctor for a new one (RX-01, 处方管理办法 2007 art. 18)."""

    code = "rx-01-expired"


class TooManyMedicines(Rule):
    """A prescription holds 5 medicines at most. Write a second one (RX-02, 处方管理办法 2007 art. 6)."""

    code = "rx-02-too-many-medicines"


class SupplyTooLong(Rule):
    """Supply 7 days at most, or write why more is needed; never over 12 weeks (RX-03, 处方管理办法 2007 art. 19)."""

    code = "rx-03-supply-too-long"


class SupplyUnstated(Rule):
    """State for how many days the supply lasts (RX-03, 处方管理办法 2007 art. 19)."""

    code = "rx-03-supply-unstated"


class NoDiagnosis(Rule):
    """Every line needs a diagnosis of this visit (RX-04, 处方管理办法 2007 art. 6)."""

    code = "rx-04-no-diagnosis"


class NoMedicine(Rule):
    """Name the medicine by an active entry of the formulary (RX-04, 处方管理办法 2007 art. 17)."""

    code = "rx-04-no-medicine"


class NoDose(Rule):
    """State the single dose with its unit (RX-04, 处方管理办法 2007 art. 6)."""

    code = "rx-04-no-dose"


class NoRoute(Rule):
    """State the route (RX-04, 处方管理办法 2007 art. 6)."""

    code = "rx-04-no-route"


class NoFrequency(Rule):
    """State how often the medicine is taken (RX-04, 处方管理办法 2007 art. 6)."""

    code = "rx-04-no-frequency"


class NoQuantity(Rule):
    """State how much is to be dispensed, with its unit (RX-04, 处方管理办法 2007 art. 6)."""

    code = "rx-04-no-quantity"


class DirectionsVague(Rule):
    """Write directions the patient can follow; "遵医嘱" and the like are refused (RX-04, 处方管理办法 2007 art. 6)."""

    code = "rx-04-directions-vague"


class NotPrepared(Conflict):
    """There is nothing prepared to sign in this group. Prepare the prescription first."""

    code = "not-prepared"


class PreparedStale(Conflict):
    """The lines have changed since the prescription was prepared. Prepare it again and sign what you then see."""

    code = "prepared-stale"


class SignatureUnreadable(Invalid):
    """Sign with a compact JWS without payload (RFC 7515 appendix F) whose header holds alg ES256, kid and iat alone."""

    code = "signature-unreadable"


class SignatureWrong(Rule):
    """The signature does not match the prepared prescription, byte for byte (SIG-01, 电子签名法 2019 art. 13)."""

    code = "sig-01-signature-wrong"


class KeyForeign(Rule):
    """This signing key belongs to somebody else (SIG-01, 电子签名法 2019 art. 13)."""

    code = "sig-01-foreign-key"


class KeyRevoked(Rule):
    """This signing key was revoked. Enrol a new one (SIG-02, 电子签名法 2019 art. 15)."""

    code = "sig-02-key-revoked"


class KeyNotEnrolled(Rule):
    """Enrol this signing key with the hospital before its first use (RX-16, 处方管理办法 2007 art. 10)."""

    code = "rx-16-key-not-enrolled"


class KeysAway(Busy):
    """Signatures cannot be checked just now. Nothing was lost; sign again in a moment."""

    code = "signing-keys-away"


class NoReviewPharmacy(Rule):
    """The hospital of this visit has no pharmacy that could review (RX-12, 医疗机构处方审核规范 2018)."""

    code = "rx-12-no-review-pharmacy"


class NotReviewer(Forbidden):
    """Only a pharmacist of the hospital's own pharmacy reviews this prescription (RX-09, 处方管理办法 2007 art. 31)."""

    code = "rx-09-not-reviewer"


class DecisionUnknown(Invalid):
    """A review decides either `approve` or `return`."""

    code = "decision-unknown"


class ReturnUnexplained(Rule):
    """Tell the doctor why the prescription comes back (RX-11, 处方管理办法 2007 art. 36)."""

    code = "rx-11-return-unexplained"


class NotReviewed(Rule):
    """Nothing is chosen, claimed or dispensed before a pharmacist approved (RX-12, 医疗机构处方审核规范 2018)."""

    code = "rx-12-not-reviewed"


class NotAPharmacy(Rule):
    """This organization is not a pharmacy that is open here. Choose one from the directory."""

    code = "not-a-pharmacy"


class NotReleased(Conflict):
    """There is no pick-up code yet: choose a pharmacy first."""

    code = "not-released"


class WrongPharmacy(Forbidden):
    """The patient has not chosen your pharmacy for this order."""

    code = "wrong-pharmacy"


class CodeWrong(Forbidden):
    """The pick-up code does not open this order. Ask the patient to show the present one."""

    code = "pickup-code-wrong"


class SecretWrong(Forbidden):
    """Only the pharmacy that claimed this order may go on: send the secret its claim returned."""

    code = "claim-secret-wrong"


class LineUnknown(Rule):
    """This line is not part of the order."""

    code = "line-unknown"


class QuantityUnfit(Rule):
    """State for each line once how much is handed over: more than nothing, in the unit of the order."""

    code = "quantity-unfit"


class OverDispensed(Rule):
    """This is more than the doctor ordered. Hand over what is left of the line at most."""

    code = "over-dispensed"


class NothingDispensed(Rule):
    """Nothing was handed over yet, so the order cannot be closed."""

    code = "nothing-dispensed"
