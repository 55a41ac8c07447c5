"""HL7's invariants of data types, by hand (https://hl7.org/fhir/R4/datatypes.html)."""

from collections.abc import Mapping

from record.index.quantities import UCUM
from record.validation import narrative
from record.validation.invariant import Invariant, Node, Whole, at_most, both, choice, has, in_order


def _ref_1(node: Node, whole: Whole) -> bool:
    reference = node.get("reference")
    return (
        not isinstance(reference, str)
        or not reference.startswith("#")
        or (reference == "#" or reference[1:] in whole.contained)
    )


def _ratio(node: Node, _: Whole) -> bool:
    whole = "numerator" in node and "denominator" in node
    neither = "numerator" not in node and "denominator" not in node
    return whole or (neither and "extension" in node)


def _measured(node: Node) -> bool:
    """A number of a kind of quantity has a unit code, from UCUM."""
    return ("code" in node or "value" not in node) and node.get("system", UCUM) == UCUM


def _tim_9(node: Node, _: Whole) -> bool:
    meals = {"C", "CM", "CD", "CV"}
    return "offset" not in node or ("when" in node and not any(when in meals for when in node["when"]))


def _unsigned(node: Node, name: str) -> bool:
    return name not in node or bool(node[name] >= 0)


def _trd_3(node: Node, _: Whole) -> bool:
    kind = str(node.get("type", ""))
    if kind == "named-event":
        return has(node, "name")
    if kind == "periodic":
        return choice(node, "timing")
    return not kind.startswith("data-") or has(node, "data")


QTY_3 = Invariant("qty-3", "a code needs a system.", lambda n, _: not has(n, "code") or has(n, "system"))

DATATYPES: Mapping[str, tuple[Invariant, ...]] = {
    "Age": (
        QTY_3,
        Invariant(
            "age-1",
            "an age is positive, with a UCUM code.",
            lambda n, _: _measured(n) and ("value" not in n or n["value"] > 0),
        ),
    ),
    "Attachment": (
        Invariant("att-1", "data needs a contentType.", lambda n, _: not has(n, "data") or has(n, "contentType")),
    ),
    "ContactPoint": (
        Invariant("cpt-2", "a value needs a system.", lambda n, _: not has(n, "value") or has(n, "system")),
    ),
    "Count": (
        QTY_3,
        Invariant(
            "cnt-3",
            "a count is a whole number of the unit 1.",
            lambda n, _: _measured(n) and n.get("code", "1") == "1" and isinstance(n.get("value", 0), int),
        ),
    ),
    "DataRequirement.codeFilter": (
        Invariant("drq-1", "give a path or a searchParam.", lambda n, _: has(n, "path") != has(n, "searchParam")),
    ),
    "DataRequirement.dateFilter": (
        Invariant("drq-2", "give a path or a searchParam.", lambda n, _: has(n, "path") != has(n, "searchParam")),
    ),
    "Distance": (
        QTY_3,
        Invariant("dis-1", "a distance has a UCUM code.", lambda n, _: _measured(n)),
    ),
    "Duration": (
        QTY_3,
        Invariant(
            "drt-1",
            "a duration's code is of UCUM and has a value.",
            lambda n, _: "code" not in n or (n.get("system") == UCUM and "value" in n),
        ),
    ),
    "Expression": (
        Invariant("exp-1", "give an expression or a reference.", lambda n, _: has(n, "expression", "reference")),
    ),
    "Extension": (
        Invariant(
            "ext-1",
            "an extension has a value or further extensions, not both.",
            lambda n, _: has(n, "extension") != choice(n, "value"),
        ),
    ),
    "Narrative": (
        Invariant(
            "txt-1",
            "the text may hold plain formatting only, and must say something.",
            lambda n, _: "div" not in n or (isinstance(n["div"], str) and narrative.is_plain(n["div"])),
        ),
    ),
    "Period": (Invariant("per-1", "start may not be after end.", lambda n, _: in_order(n.get("start"), n.get("end"))),),
    "Quantity": (QTY_3,),
    "Range": (Invariant("rng-2", "low may not be above high.", lambda n, _: at_most(n.get("low"), n.get("high"))),),
    "Ratio": (Invariant("rat-1", "give numerator and denominator.", _ratio),),
    "Reference": (Invariant("ref-1", "a '#' reference must name a contained resource.", _ref_1),),
    "Timing.repeat": (
        Invariant("tim-1", "a duration needs its unit.", lambda n, _: not has(n, "duration") or has(n, "durationUnit")),
        Invariant("tim-2", "a period needs its unit.", lambda n, _: not has(n, "period") or has(n, "periodUnit")),
        Invariant("tim-4", "a duration is not negative.", lambda n, _: _unsigned(n, "duration")),
        Invariant("tim-5", "a period is not negative.", lambda n, _: _unsigned(n, "period")),
        Invariant("tim-6", "periodMax needs a period.", lambda n, _: not has(n, "periodMax") or has(n, "period")),
        Invariant(
            "tim-7", "durationMax needs a duration.", lambda n, _: not has(n, "durationMax") or has(n, "duration")
        ),
        Invariant("tim-8", "countMax needs a count.", lambda n, _: not has(n, "countMax") or has(n, "count")),
        Invariant("tim-9", "an offset goes with a moment of the day that is no meal.", _tim_9),
        Invariant("tim-10", "give timeOfDay or when, not both.", lambda n, _: not both(n, "timeOfDay", "when")),
    ),
    "TriggerDefinition": (
        Invariant("trd-1", "give data or timing, not both.", lambda n, _: not (has(n, "data") and choice(n, "timing"))),
        Invariant("trd-2", "a condition needs data.", lambda n, _: not has(n, "condition") or has(n, "data")),
        Invariant("trd-3", "this type of trigger needs its name, timing or data.", _trd_3),
    ),
}
