"""Why an entry in a patient's record is refused; the docstring is what the person reads."""

from kernel.failures import Conflict, Forbidden, Invalid, Rule


class OnlyByHospital(Forbidden):
    """Patients are registered by the hospital's own systems. Ask the registration desk."""

    code = "only-by-hospital"


class IdentityMissing(Rule):
    """A patient is known by at least one identifier with system and value, such as the resident identity number."""

    code = "book-01-identity-missing"


class IdentityWrong(Rule):
    """The identity number is not valid, or does not fit the birth date. Copy it from the card: 18 signs, capital X."""

    code = "book-01-identity-wrong"


class IdentityTaken(Conflict):
    """A patient with this identifier is registered already. Use that record."""

    issue, code = "duplicate", "book-01-identity-taken"


class NotForPatients(Forbidden):
    """You can change your telecom, address, communication and contact. For anything else ask the registration desk."""

    code = "not-for-patients"


class CodeUnknown(Invalid):
    """The diagnosis needs an ICD-10 code from the list of ValueSet/icd-10."""

    issue, code = "code-invalid", "code-unknown"


class VisitMissing(Rule):
    """Without a visit only an entry of the problem list can be made. Name the encounter of an encounter-diagnosis."""

    code = "visit-missing"


class VisitUnknown(Rule):
    """This encounter does not exist, or is not one of this patient's that you may see."""

    code = "visit-unknown"


class NotInSession(Rule):
    """A diagnosis is entered by the visit's own doctor, in person, while the visit is under way."""

    code = "tele-08-not-in-session"


class FollowUpNotConfirmed(Rule):
    """Before an online diagnosis, confirm that the visit follows up a disease diagnosed before: $confirm-follow-up."""

    code = "tele-01-not-confirmed"


class NotFollowUp(Rule):
    """This visit was judged to be no follow-up, so nothing may be diagnosed online. Refer the patient to a clinic."""

    code = "tele-03-not-follow-up"


class OtherDiagnosis(Rule):
    """Online, only the disease diagnosed before may be diagnosed: this code is of another ICD-10 category."""

    code = "tele-01-other-diagnosis"


class DiagnosisStands(Rule):
    """What was diagnosed, when and by whom stays as it is. Mark this entry as entered-in-error and make a new one."""

    code = "diagnosis-stands"


class UploadUnusable(Rule):
    """An earlier record is current, of category prior-visit, yours, and says its diagnosis as an ICD-10 code."""

    code = "upload-unusable"


class AttachmentUnusable(Rule):
    """Send each attachment itself as PDF, PNG, JPEG or plain text in UTF-8, of 1 MiB at most; no addresses."""

    code = "attachment-unusable"


class DocumentStands(Rule):
    """A document's content stays as it is; its status and description can change. Enter a new document instead."""

    code = "document-stands"


class DocumentNotYours(Forbidden):
    """You can delete only documents you entered yourself."""

    code = "document-not-yours"


class DocumentInUse(Conflict):
    """This document belongs to a booking, so it must stay."""

    code = "document-in-use"


class ExpansionUnreadable(Invalid):
    """$expand takes filter (text of 200 characters at most) and count (0 to 200)."""

    code = "expansion-unreadable"


class PatientNotNamed(Rule):
    """Say whose record you ask for, as in Patient/123/$everything. Only patients may leave out their own id."""

    code = "patient-not-named"
