"""HL7's invariants of the types kept here, by hand: those whose breach is an error.

Each stands under the type or element it belongs to. https://hl7.org/fhir/R4/conformance-rules.html#constraints;
the tests compare every one with HL7's own FHIRPath expression.
"""

from collections.abc import Mapping
from functools import cache

from record import definitions
from record.validation.datatype_invariants import DATATYPES
from record.validation.invariant import Invariant, Node, Whole, texts
from record.validation.invariants_care import CARE
from record.validation.invariants_forms import FORMS
from record.validation.invariants_register import OF_ELEMENTS, REGISTER


def _dom_3(node: Node, whole: Whole) -> bool:
    if node is not whole.root:
        return True
    return all(f"#{inner.get('id')}" in whole.named or "#" in set(texts(inner)) for inner in node.get("contained", ()))


def _dom_4(node: Node, whole: Whole) -> bool:
    metas = [inner.get("meta", {}) for inner in node.get("contained", ())]
    return not any("versionId" in meta or "lastUpdated" in meta for meta in metas)


DOMAIN = (
    Invariant(
        "dom-2",
        "a contained resource may not contain another.",
        lambda node, _: not any("contained" in inner for inner in node.get("contained", ())),
    ),
    Invariant("dom-3", "a contained resource must be referred to from the resource.", _dom_3),
    Invariant("dom-4", "a contained resource has no versionId and no lastUpdated.", _dom_4),
    Invariant(
        "dom-5",
        "a contained resource has no security label.",
        lambda node, _: not any("security" in inner.get("meta", {}) for inner in node.get("contained", ())),
    ),
)

BY_KIND: Mapping[str, tuple[Invariant, ...]] = {**DATATYPES, **CARE, **FORMS, **REGISTER}


@cache
def invariants_of(kind: str) -> tuple[Invariant, ...]:
    """The invariants of a type, a backbone element or a resource; every resource has those of DomainResource."""
    own = BY_KIND.get(kind, ())
    return (*DOMAIN, *own) if "contained" in definitions.elements().get(kind, ()) else own


def invariants_below(kind: str) -> Mapping[str, Invariant]:
    """Element -> the rule HL7 hangs on that element of this type alone."""
    return OF_ELEMENTS.get(kind, {})
