"""The closed set of ways a request can fail; the docstring of a failure is the sentence its reader sees.

Each kind has its HTTP status and its FHIR issue code (https://hl7.org/fhir/R4/valueset-issue-type.html);
rooms subclass a kind, give it a `code` and a docstring, and raise it.
"""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

ISSUE_DETAILS = "https://yuzhen.example/fhir/CodeSystem/failure"


class Failure(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    issue: ClassVar[str] = "exception"
    code: ClassVar[str] = "failure"
    severity: ClassVar[str] = "error"

    def __init__(
        self,
        diagnostics: str = "",
        *,
        expression: str | None = None,
        others: tuple["Failure", ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics
        self.expression = expression
        self.others = others
        self.headers = dict(headers or {})

    @property
    def message(self) -> str:
        """The class's own docstring, on one line: what happened and what to do."""
        return " ".join(inspect.cleandoc(type(self).__doc__ or "").split())

    def issues(self) -> list[dict[str, Any]]:
        """This failure and its companions as OperationOutcome issues."""
        one: dict[str, Any] = {
            "severity": self.severity,
            "code": self.issue,
            "details": {"coding": [{"system": ISSUE_DETAILS, "code": self.code}], "text": self.message},
        }
        if self.diagnostics:
            one["diagnostics"] = self.diagnostics
        if self.expression:
            one["expression"] = [self.expression]
        return [one, *(issue for other in self.others for issue in other.issues())]

    def outcome(self) -> dict[str, Any]:
        """The failure's FHIR face."""
        return {"resourceType": "OperationOutcome", "issue": self.issues()}

    def problem(self) -> dict[str, Any]:
        """The failure's face outside FHIR (RFC 9457)."""
        face: dict[str, Any] = {
            "type": f"{ISSUE_DETAILS}#{self.code}",
            "title": self.message,
            "status": self.status,
            "code": self.code,
        }
        if self.diagnostics:
            face["detail"] = self.diagnostics
        return face


class Invalid(Failure):
    """The request cannot be read as it stands. Correct it and send it again."""

    status, issue, code = 400, "invalid", "invalid"


class NotSignedIn(Failure):
    """Sign in first: the access token is missing, wrong or expired."""

    status, issue, code = 401, "login", "not-signed-in"

    def __init__(self, diagnostics: str = "", **kwargs: Any) -> None:
        super().__init__(diagnostics, **kwargs)
        self.headers.setdefault("WWW-Authenticate", 'Bearer realm="yuzhen"')


class Forbidden(Failure):
    """Your account may not do this."""

    status, issue, code = 403, "forbidden", "forbidden"


class Unknown(Failure):
    """There is nothing here under that name."""

    status, issue, code = 404, "not-found", "not-found"


class NotAllowed(Failure):
    """This interaction is not offered here. The CapabilityStatement lists what is."""

    status, issue, code = 405, "not-supported", "not-supported"


class NotAcceptable(Failure):
    """The answer cannot be given in the form you ask for. Ask for application/fhir+json."""

    status, issue, code = 406, "not-supported", "not-acceptable"


class Conflict(Failure):
    """Someone else's change came first. Read again and decide anew."""

    status, issue, code = 409, "conflict", "conflict"


class Gone(Failure):
    """This was deleted."""

    status, issue, code = 410, "deleted", "deleted"


class Stale(Failure):
    """It has changed since you read it. Read it again, then repeat your change."""

    status, issue, code = 412, "conflict", "stale"


class TooLarge(Failure):
    """The request is too large. Send less at once."""

    status, issue, code = 413, "too-long", "too-large"


class UnsupportedMedia(Failure):
    """The body's content type is not understood here. Send application/fhir+json."""

    status, issue, code = 415, "not-supported", "unsupported-media-type"


class Rule(Failure):
    """A rule forbids this."""

    status, issue, code = 422, "business-rule", "rule"


class Throttled(Failure):
    """Too many requests at once. Wait a moment and try again."""

    status, issue, code = 429, "throttled", "throttled"

    def __init__(self, diagnostics: str = "", **kwargs: Any) -> None:
        super().__init__(diagnostics, **kwargs)
        self.headers.setdefault("Retry-After", "1")


class Busy(Failure):
    """A part of the hospital's system is not reachable just now. Nothing was lost; try again in a moment."""

    status, issue, code = 503, "transient", "busy"

    def __init__(self, diagnostics: str = "", **kwargs: Any) -> None:
        super().__init__(diagnostics, **kwargs)
        self.headers.setdefault("Retry-After", "1")


class Fault(Failure):
    """The fault is ours, and it has been noted. Trying again does no harm."""

    status, issue, code = 500, "exception", "fault"
