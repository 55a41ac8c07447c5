"""HL7's invariants of questionnaires and their answers, by hand (https://hl7.org/fhir/R4/questionnaire.html)."""

from collections.abc import Iterator, Mapping

from record.validation.invariant import Invariant, Node, Whole, both, choice, has

OPTION_TYPES = frozenset(
    ["choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"]
)
LENGTH_TYPES = frozenset(["boolean", "decimal", "integer", "string", "text", "url", "open-choice"])


def _link_ids(node: Node) -> Iterator[str]:
    for item in node.get("item", ()):
        if "linkId" in item:
            yield item["linkId"]
        yield from _link_ids(item)


def _que_1(node: Node, _: Whole) -> bool:
    match node.get("type"):
        case "group":
            return has(node, "item")
        case "display":
            return not has(node, "item")
    return True


def _que_2(node: Node, _: Whole) -> bool:
    ids = list(_link_ids(node))
    return len(ids) == len(set(ids))


def _que_13(node: Node, _: Whole) -> bool:
    return node.get("repeats") is True or len(node.get("initial", ())) <= 1


def _displays(node: Node) -> bool:
    return node.get("type") == "display"


FORMS: Mapping[str, tuple[Invariant, ...]] = {
    "Questionnaire": (Invariant("que-2", "no linkId comes twice.", _que_2),),
    "Questionnaire.item": (
        Invariant("que-1", "a group has items, and a display has none.", _que_1),
        Invariant("que-3", "a display has no code.", lambda n, _: not (_displays(n) and has(n, "code"))),
        Invariant(
            "que-4",
            "give answerOption or answerValueSet, not both.",
            lambda n, _: not both(n, "answerOption", "answerValueSet"),
        ),
        Invariant(
            "que-5",
            "answers to choose from do not go with this type.",
            lambda n, _: n.get("type") in OPTION_TYPES or not has(n, "answerOption", "answerValueSet"),
        ),
        Invariant(
            "que-6",
            "a display is neither required nor repeated.",
            lambda n, _: not (_displays(n) and has(n, "required", "repeats")),
        ),
        Invariant(
            "que-8",
            "a group or display has no initial value.",
            lambda n, _: not (n.get("type") in {"group", "display"} and has(n, "initial")),
        ),
        Invariant("que-9", "a display is not readOnly.", lambda n, _: not (_displays(n) and has(n, "readOnly"))),
        Invariant(
            "que-10",
            "maxLength does not go with this type.",
            lambda n, _: n.get("type") in LENGTH_TYPES or not has(n, "maxLength"),
        ),
        Invariant(
            "que-11",
            "with answerOption, mark the option instead of giving an initial value.",
            lambda n, _: not both(n, "answerOption", "initial"),
        ),
        Invariant(
            "que-12",
            "more than two enableWhen need an enableBehavior.",
            lambda n, _: len(n.get("enableWhen", ())) <= 2 or has(n, "enableBehavior"),
        ),
        Invariant("que-13", "only what repeats has several initial values.", _que_13),
    ),
    "Questionnaire.item.enableWhen": (
        Invariant(
            "que-7",
            "the operator exists is answered by a boolean.",
            lambda n, _: n.get("operator") != "exists" or has(n, "answerBoolean") or not choice(n, "answer"),
        ),
    ),
    "QuestionnaireResponse.item": (
        Invariant(
            "qrs-1",
            "items under an answered item stand inside the answer.",
            lambda n, _: not both(n, "answer", "item"),
        ),
    ),
}
