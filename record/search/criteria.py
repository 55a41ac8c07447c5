"""One search parameter with its value read into a criterion: kinds, modifiers, chains and `_has`.

https://hl7.org/fhir/R4/search.html#modifiers. What FHIR leaves open is decided here: `:text` finds a part of the words
beside a code; units of quantities are compared as written, never converted; a chain without a type follows the
reference to every type it may point at.
"""

from datetime import datetime

from record import definitions
from record.failures import ModifierUnknown, ParameterUnknown, SearchTooLarge, ValueUnreadable
from record.index import keys
from record.index.parameters import Component, Kind, Parameter, parameters
from record.ownership import KEPT_APART, types
from record.search.criterion import (
    AnyKey,
    Beside,
    Chain,
    Coded,
    Compared,
    Criterion,
    Dates,
    Has,
    IdIn,
    Match,
    Missing,
    Text,
    is_main,
)
from record.search.values import amount, boolean, listed, moment, plain, quantity, references, shown, split

MOST_CRITERIA = 200
"""Criteria of one search, those that a chain without a type multiplies into included."""
MOST_LEVELS = 6
OF_TYPE_PARTS = 3
HAS = "_has:"
OPEN = frozenset({"_id", "_lastUpdated"})


class Reader:
    """Reads the criteria of one search and counts them."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._left = MOST_CRITERIA

    def read(self, type_: str, name: str, value: str, *, level: int = 0) -> Criterion:
        """The criterion that a parameter's name and value make for a type.

        Raises ParameterUnknown, ModifierUnknown, ValueUnreadable, SearchTooLarge.
        """
        self._left -= 1
        if self._left < 0 or level > MOST_LEVELS:
            raise SearchTooLarge("The search follows too many references. Name the types on the way, or ask for less.")
        if name.startswith(HAS):
            return self._has(type_, name.removeprefix(HAS), value, level)
        head, dot, rest = name.partition(".")
        if dot:
            return self._chain(type_, head, rest, value, level)
        code, _, modifier = name.partition(":")
        return self._plain(type_, code, modifier, value)

    def _has(self, type_: str, name: str, value: str, level: int) -> Has:
        source, _, rest = name.partition(":")
        code, _, criterion = rest.partition(":")
        parameter = _reference(source, code)
        if parameter is None or not criterion or type_ in KEPT_APART:
            raise ParameterUnknown("_has must be spelt like _has:Observation:patient:code.")
        if parameter.targets and type_ not in parameter.targets:
            raise ParameterUnknown(f"{source}'s '{code}' does not point at {type_}.")
        return Has(parameter, self.read(source, criterion, value, level=level + 1), type_)

    def _chain(self, type_: str, head: str, rest: str, value: str, level: int) -> Chain:
        code, _, named = head.partition(":")
        parameter = _reference(type_, code)
        if parameter is None:
            raise ParameterUnknown(f"{type_} has no reference '{shown(code)}' to be followed.")
        if named and named not in followed(parameter.targets):
            raise ParameterUnknown(f"'{code}' cannot be followed to that type.")
        if not named and not parameter.targets:
            raise ParameterUnknown(f"'{code}' points at many types: name one, such as {code}:Patient.name.")
        targets = [named] if named else followed(parameter.targets)
        found = [
            (target, one) for target in targets if (one := self._further(target, rest, value, level, len(targets) == 1))
        ]
        if not found:
            raise ParameterUnknown(f"Nothing that '{code}' points at has the search parameter '{shown(rest)}'.")
        return Chain(parameter, tuple(found))

    def _further(self, target: str, rest: str, value: str, level: int, only: bool) -> Criterion | None:
        """What the chain asks of one type, or None where one of several types does not know the parameter."""
        try:
            return self.read(target, rest, value, level=level + 1)
        except (ParameterUnknown, ModifierUnknown):
            if only:
                raise
            return None

    def _plain(self, type_: str, code: str, modifier: str, value: str) -> Criterion:
        if code in OPEN and modifier:
            raise ModifierUnknown(f"'{code}' takes no modifier.")
        if code == "_id":
            return IdIn(tuple(plain(one) for one in listed(value, code)))
        if code == "_lastUpdated":
            return self._dates(None, code, value)
        parameter = parameters(type_).get(code)
        if parameter is None:
            raise ParameterUnknown(f"{type_} has no search parameter '{shown(code)}'.")
        if modifier == "missing":
            return Missing(parameter.number, boolean(value, code))
        return self._of_kind(parameter, modifier, value)

    def _dates(self, parameter: Parameter | None, code: str, value: str) -> Dates:
        moments = [moment(one, code, self._now) for one in listed(value, code)]
        return Dates(parameter, tuple((one.prefix, one.range) for one in moments))

    def _of_kind(self, parameter: Parameter, modifier: str, value: str) -> Criterion:
        code = parameter.code
        match parameter.kind, modifier:
            case (Kind.DATE, "") if is_main(parameter):
                return self._dates(parameter, code, value)
            case (Kind.DATE | Kind.NUMBER | Kind.QUANTITY, ""):
                return Beside(parameter, tuple((None, self._sought(parameter, one)) for one in listed(value, code)))
            case (Kind.STRING, "" | "exact" | "contains"):
                return _texts(parameter, Match(modifier or Match.PREFIX), value)
            case (Kind.TOKEN, "text") if parameter.text:
                return _texts(parameter, Match.CONTAINS, value)
            case (Kind.COMPOSITE, ""):
                return self._composite(parameter, value)
        forms = tuple(form for one in listed(value, code) for form in _forms(parameter, modifier, one))
        return AnyKey(parameter, forms, negated=modifier == "not")

    def _composite(self, parameter: Parameter, value: str) -> Criterion:
        """`code$value`, the parts of one element; the code outright, with its system or without."""
        pairs = [_pair(parameter, one) for one in listed(value, parameter.code)]
        first, second = parameter.components
        if second.kind in {Kind.TOKEN, Kind.REFERENCE}:
            spelt = [(a, b) for one, two in pairs for a in _outright(first, one) for b in _outright(second, two)]
            return AnyKey(parameter, tuple(f"{one}${two}" for one, two in spelt))
        return Beside(parameter, tuple((_coded(first, one), self._sought(second, two)) for one, two in pairs))

    def _sought(self, part: Parameter | Component, value: str) -> Compared:
        match part.kind:
            case Kind.DATE:
                return moment(plain(value), part.code, self._now)
            case Kind.NUMBER:
                return amount(plain(value), part.code)
            case Kind.QUANTITY:
                return quantity(value, part.code)
        return Text(Match.PREFIX, plain(value))


def _reference(type_: str, code: str) -> Parameter | None:
    """A parameter that can be followed, from a resource of the record to another."""
    if type_ not in types() or type_ in KEPT_APART:
        return None
    parameter = parameters(type_).get(code)
    followed = parameter is not None and any(path.type == "Reference" for path in parameter.paths)
    return parameter if followed and parameter and parameter.kind is Kind.REFERENCE else None


def followed(targets: tuple[str, ...]) -> list[str]:
    """The types of the record among these; all of them where none is named."""
    return [type_ for type_ in targets or types() if type_ in types() and type_ not in KEPT_APART]


def _texts(parameter: Parameter, match: Match, value: str) -> Beside:
    return Beside(parameter, tuple((None, Text(match, plain(one))) for one in listed(value, parameter.code)))


def _forms(parameter: Parameter, modifier: str, value: str) -> list[str]:
    """The spellings, as the index holds them, that one exact value stands for."""
    text = plain(value)
    match parameter.kind, modifier:
        case (Kind.TOKEN, "" | "not"):
            return [_without_implied(parameter, text)]
        case (Kind.TOKEN, "of-type") if any(path.type == "Identifier" for path in parameter.paths):
            if len(split(value, "|")) != OF_TYPE_PARTS or not all(split(value, "|")):
                raise ValueUnreadable(f"'{parameter.code}:of-type' must be system|type|value.")
            return [f":of-type={text}"]
        case (Kind.URI, ""):
            return [text]
        case (Kind.REFERENCE, "identifier"):
            return [f":identifier={text}"]
        case (Kind.REFERENCE, _) if not modifier or modifier in definitions.elements():
            return references(parameter, modifier, text)
    raise ModifierUnknown(f"'{parameter.code}' does not take the modifier ':{shown(modifier)}'.")


def _without_implied(part: Parameter | Component, value: str) -> str:
    """A bare code's system is implied by its element, so a search may name it as well (#token in HL7's page)."""
    system, bar, code = value.rpartition("|")
    implied = bar and all(system in path.systems for path in part.paths)
    return code if implied and code else value


def _pair(parameter: Parameter, value: str) -> list[str]:
    parts = split(value, "$")
    if len(parts) != len(parameter.components) or not all(parts):
        raise ValueUnreadable(f"'{parameter.code}' must be a code and a value with $ between them.")
    return parts


def _outright(part: Component, value: str) -> list[str]:
    text = plain(value)
    if part.kind is Kind.REFERENCE:
        return [keys.reference_form(text) or text]
    form = _without_implied(part, text)
    if not keys.main_forms([form]):
        raise ValueUnreadable(f"'{part.code}' must be a code, or system|code.")
    return [form]


def _coded(part: Component, value: str) -> Coded:
    system, bar, code = _without_implied(part, plain(value)).rpartition("|")
    if not code:
        raise ValueUnreadable(f"'{part.code}' must be a code, or system|code.")
    return Coded(code, system if bar else None)
