"""The ways a request to the record can fail, in the words its reader sees."""

from kernel.failures import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotAllowed,
    Rule,
    Stale,
    TooLarge,
    Unknown,
    UnsupportedMedia,
)


class ResourceUnknown(Unknown):
    """There is no such resource, or it is not yours to see."""

    code = "resource-unknown"


class VersionUnknown(Unknown):
    """The resource has no such version."""

    code = "version-unknown"


class ResourceDeleted(Gone):
    """This resource was deleted. Its history can still be read; to have it again, enter it anew by POST."""

    code = "resource-deleted"


class VersionStale(Stale):
    """The resource has changed since you read it. Read it again, then repeat your change."""

    code = "version-stale"


class IdTaken(Conflict):
    """A resource with this id exists already. Update that one, or create without an id."""

    code = "id-taken"


class PatientMissing(Invalid):
    """This type of resource belongs to one patient: name that patient by a reference such as Patient/123."""

    code = "patient-missing"


class PatientFixed(Rule):
    """A resource stays with its patient. Correct the reference, or enter a new resource for the other patient."""

    code = "patient-fixed"


class NotYours(Forbidden):
    """You may not write into this patient's record."""

    code = "not-yours"


class IdNotOffered(NotAllowed):
    """No resource has this id, and ids are given by the hospital. Create it by POST to the type."""

    code = "id-not-offered"


class WriteNotOffered(NotAllowed):
    """Resources of this type are not changed this way."""

    code = "write-not-offered"


class NotJson(Invalid):
    """The body is not readable JSON."""

    code = "not-json"


class ResourceInvalid(Invalid):
    """The resource does not follow FHIR R4 here."""

    issue, code = "structure", "resource-invalid"


class CodeInvalid(Invalid):
    """This code is not among those allowed here."""

    issue, code = "code-invalid", "code-invalid"


class InvariantBroken(Rule):
    """The resource breaks a rule of FHIR R4."""

    issue, code = "invariant", "invariant-broken"


class ParameterUnknown(Invalid):
    """This search parameter is not offered for this type. The CapabilityStatement lists those that are."""

    issue, code = "not-supported", "parameter-unknown"


class ModifierUnknown(Invalid):
    """This modifier is not offered for this search parameter."""

    issue, code = "not-supported", "modifier-unknown"


class ValueUnreadable(Invalid):
    """The value of this search parameter cannot be read."""

    issue, code = "value", "value-unreadable"


class SearchTooLarge(Invalid):
    """The search asks for too much at once. Use fewer values or a smaller _count."""

    issue, code = "too-costly", "search-too-large"


class PageUnreadable(Invalid):
    """This page link is damaged or no longer valid. Start the search again."""

    code = "page-unreadable"


class PreconditionUnreadable(Invalid):
    """If-Match must carry one ETag as it was given, such as W/"3"."""

    code = "precondition-unreadable"


class IdMismatch(Invalid):
    """The resource's type and id must be the ones in the address."""

    code = "id-mismatch"


class CriteriaMissing(Invalid):
    """Say which resource is meant: criteria such as identifier=https://example.org/mrn|123."""

    issue, code = "required", "criteria-missing"


class CriteriaUnreadable(Invalid):
    """These criteria cannot be used. Write them as a search, such as identifier=https://example.org/mrn|123."""

    code = "criteria-unreadable"


class MultipleMatches(Stale):
    """Several resources fit these criteria, so nothing was changed. Name one by its id, or ask more exactly."""

    issue, code = "multiple-matches", "multiple-matches"


class ExistsAlready(Stale):
    """This was to be created only if it is not there yet, and it is. Nothing was changed."""

    issue, code = "duplicate", "exists-already"


class OperationParameterUnknown(Invalid):
    """The operation has no such parameter. Its OperationDefinition lists those it has."""

    issue, code = "not-supported", "operation-parameter-unknown"


class BundleUnreadable(Invalid):
    """The body must be one Bundle of type batch or transaction, holding nothing but type and entries."""

    code = "bundle-unreadable"


class BundleTooLarge(TooLarge):
    """The Bundle has too many entries. Send them in several Bundles."""

    issue, code = "too-costly", "bundle-too-large"


class EntryUnreadable(Invalid):
    """An entry of the Bundle cannot be read. It has a request with method and url, and a resource where one is sent."""

    code = "entry-unreadable"


class EntryNotOffered(Rule):
    """This cannot be done inside a Bundle of this type. Send it as a request of its own."""

    issue, code = "not-supported", "entry-not-offered"


class EntriesCollide(Invalid):
    """Two entries of the transaction name one and the same resource. Each resource may be changed by one entry."""

    issue, code = "duplicate", "entries-collide"


class SeveralOwners(Rule):
    """A transaction lies with one room of the hospital. Send these entries in separate transactions, or as a batch."""

    issue, code = "not-supported", "several-owners"


class NotHistory(Rule):
    """An import brings in finished history alone; this resource is still in use. Change it by a request of its own."""

    code = "not-history"


class LinkUnresolved(Invalid):
    """A reference of this resource names a fullUrl that no entry of the Bundle has."""

    issue, code = "not-found", "link-unresolved"


class TargetUnclear(Stale):
    """A conditional reference must fit exactly one resource."""

    issue, code = "multiple-matches", "target-unclear"


class PatchMediaUnknown(UnsupportedMedia):
    """A patch is sent as application/json-patch+json (RFC 6902) or application/merge-patch+json (RFC 7396)."""

    code = "patch-media-unknown"


class PatchUnreadable(Invalid):
    """The patch cannot be read, so nothing was changed."""

    code = "patch-unreadable"


class PatchTooLarge(Invalid):
    """The patch asks for too much at once, so nothing was changed. Send a shorter one, or replace the resource."""

    issue, code = "too-costly", "patch-too-large"


class PatchTestFailed(Rule):
    """The resource is not as a test in the patch says, so nothing was changed. Read it again and decide anew."""

    issue, code = "conflict", "patch-test-failed"


class PatchUnfit(Rule):
    """An operation of the patch points at nothing, or cannot be done there, so nothing was changed."""

    issue, code = "not-found", "patch-unfit"


class Subsetted(Rule):
    """This is a part of a resource, as a summary gives it: kept, it would cost the rest. Read the whole one first."""

    code = "subsetted"


class ResourceMissing(Invalid):
    """Send the resource that is meant, by itself or in Parameters under the name resource."""

    issue, code = "required", "resource-missing"


class ProfileNotOffered(Invalid):
    """Resources are held to FHIR R4 itself, not to further profiles. Leave the profile out."""

    issue, code = "not-supported", "profile-not-offered"


class TooManyPairs(Invalid):
    """The resource has more codes side by side than can be found in pairs. Give each element a few codes."""

    issue, code = "too-costly", "too-many-pairs"
