"""FHIR's search rules by brute force: each parameter's expression is HL7's own, evaluated by fhirpathpy.

What is compared with what is read plainly from https://hl7.org/fhir/R4/search.html; where FHIR leaves a choice, it is
the one `record.criteria`, `record.beside` and `record.sorting` name.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from functools import cache
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

from record import dates, definitions, words
from record.dates import Range

Resources = Mapping[str, Mapping[str, dict[str, Any]]]
"""Type -> id -> resource."""
R4 = models["r4"]
IS_A = re.compile(r"where\(resolve\(\) is (\w+)\)")
REFERS = r"where(reference.matches('^(.*/)?\1/[^/]+(/_history/.*)?$') or type = '\1')"
LOCAL = re.compile(r"([A-Z]\w+)/([A-Za-z0-9.-]+)(/_history/.*)?")
IN_WORDS = {"CarePlan.activity.detail.scheduled": ("Timing", "Period"), "Immunization.occurrence": ("dateTime",)}
"""Times that may be told in words, which are no date even where they look like one."""
CONTACTS = {"phone", "fax", "email", "pager", "url", "sms", "other"}
SHAPES: Mapping[str, frozenset[str]] = {
    "CodeableConcept": frozenset({"coding", "text"}),
    "Coding": frozenset({"system", "version", "code", "display", "userSelected"}),
    "Identifier": frozenset({"use", "type", "system", "value", "period", "assigner"}),
    "Reference": frozenset({"reference", "type", "identifier", "display"}),
    "Period": frozenset({"start", "end"}),
    "Timing": frozenset({"event", "repeat", "code"}),
    "Quantity": frozenset({"value", "comparator", "unit", "system", "code"}),
    "Range": frozenset({"low", "high"}),
    "Money": frozenset({"value", "currency"}),
    "HumanName": frozenset({"use", "text", "family", "given", "prefix", "suffix", "period"}),
    "Address": frozenset(
        {"use", "type", "text", "line", "city", "district", "state", "postalCode", "country", "period"}
    ),
}


def is_shaped(value: Any, *names: str) -> bool:
    """Whether a value can be of one of these data types, by the elements it has."""
    return isinstance(value, dict) and any(
        {key.lstrip("_") for key in value} <= SHAPES[name] | {"id", "extension"} for name in names
    )


@cache
def _compiled(expression: str, base: str) -> Callable[[Any], list[Any]]:
    spelt = IS_A.sub(REFERS, expression)
    spelt = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.ofType(\2)", spelt)
    spelt = re.sub(r"\bas\(", "ofType(", spelt).replace("ofType(DateTime)", "ofType(dateTime)")
    if "." not in base:
        compiled = fhirpathpy.compile(spelt, R4)
        return lambda node: compiled(node, None)
    return lambda node: fhirpathpy.evaluate(node, {"base": base, "expression": spelt}, model=R4)


@dataclass(frozen=True, slots=True)
class Defined:
    """HL7's definition of one parameter of one type."""

    type: str
    code: str
    kind: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[Mapping[str, str], ...]


@cache
def defined(type_: str, code: str) -> Defined | None:
    """The definition, its expression cut down to what begins at the type."""
    for entry in definitions.search_parameters():
        if entry["code"] == code and (type_ in entry["base"] or (code.startswith("_") and "Resource" in entry["base"])):
            return Defined(
                type_,
                code,
                entry["type"],
                _cut(entry["expression"], type_),
                tuple(entry.get("target", ())),
                tuple(entry.get("component", ())),
            )
    return None


def _cut(expression: str, type_: str) -> str:
    if " and " in expression:
        return expression
    for told, times in IN_WORDS.items():
        expression = expression.replace(told, " | ".join(f"{told}.ofType({time})" for time in times))
    parts = re.sub(r"\b(Domain)?Resource\.", f"{type_}.", expression).split("|")
    return " | ".join(part.strip() for part in parts if re.match(rf"\s*\(?{type_}\b", part))


@cache
def _kind_of(url: str) -> str:
    return next(str(entry["type"]) for entry in definitions.search_parameters() if entry["url"] == url)


@dataclass(slots=True)
class Force:
    """All the resources there are, and what each is found by."""

    resources: Resources
    _values: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict)

    def values(self, type_: str, id_: str, code: str) -> list[Any]:
        """What a parameter finds in a resource; of a composite, pairs of token values and of other values."""
        key = (type_, id_, code)
        if key not in self._values:
            self._values[key] = self._evaluated(type_, id_, code)
        return self._values[key]

    def _evaluated(self, type_: str, id_: str, code: str) -> list[Any]:
        resource, found = self.resources[type_][id_], defined(type_, code)
        assert found is not None
        if found.kind == "composite":
            return list(self._groups(found, resource))
        return [one for one in _compiled(found.expression, type_)(resource) if fits(found.kind, one)]

    def _groups(self, found: Defined, resource: dict[str, Any]) -> Iterator[tuple[list[Any], list[Any], str]]:
        first, second = (part["expression"] for part in found.components)
        kind = _kind_of(found.components[1]["definition"]) if found.code != "relationship" else "reference"
        for walk in found.expression.split("|"):
            base = walk.strip()
            nodes = [resource] if base == found.type else _compiled(base, found.type)(resource)
            for node in nodes:
                tokens = [one for one in _compiled(first, base)(node) if fits("token", one)]
                others = [one for one in _compiled(second, base)(node) if fits(kind, one)]
                if tokens and others:
                    yield tokens, others, kind

    def matches(self, type_: str, id_: str, name: str, value: str) -> bool:
        """Whether a resource matches one parameter as it is asked."""
        if name.startswith("_has:"):
            _, source, code, further = name.split(":", 3)
            mine = f"{type_}/{id_}"
            others = [other for other in self.resources[source] if mine in self.pointed(source, other, code)]
            return any(self.matches(source, other, further, value) for other in others)
        head, dot, further = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot:
            targets = [target.split("/") for target in self.pointed(type_, id_, code)]
            return any(
                self.matches(target, other, further, value)
                for target, other in targets
                if modifier in {"", target} and self._knows(target, further)
            )
        return self._plain(type_, id_, code, modifier, value)

    def _knows(self, type_: str, further: str) -> bool:
        code = re.split(r"[.:]", further)[0]
        return code in {"_id", "_has"} or defined(type_, code) is not None

    def pointed(self, type_: str, id_: str, code: str) -> set[str]:
        """The resources there are that a reference points at."""
        found = [form_of(one) for one in self.values(type_, id_, code) if isinstance(one, dict)]
        return {form for form in found if form and self._exists(form)}

    def _exists(self, form: str) -> bool:
        type_, _, id_ = form.partition("/")
        return id_ in self.resources.get(type_, {})

    def _plain(self, type_: str, id_: str, code: str, modifier: str, value: str) -> bool:
        if code == "_id":
            return id_ in options(value)
        found = self.values(type_, id_, code)
        if modifier == "missing":
            return (not found) is (value == "true")
        parameter = defined(type_, code)
        assert parameter is not None
        hit = any(_fits_option(parameter, modifier, one, option) for one in found for option in options(value))
        return not hit if modifier == "not" else hit

    def found(self, type_: str, asked: Sequence[tuple[str, str]]) -> list[str]:
        """The ids of everything that matches, in the order that `_sort` asks for."""
        criteria = [pair for pair in asked if pair[0] != "_sort"]
        with localcontext(EXACT):
            ids = [id_ for id_ in self.resources[type_] if all(self.matches(type_, id_, *pair) for pair in criteria)]
        sort = [code for name, value in asked if name == "_sort" for code in value.split(",")]
        return self._ordered(type_, ids, sort)

    def _ordered(self, type_: str, ids: list[str], sort: list[str]) -> list[str]:
        """Stable sorts from the last key to the first, what has no value behind the rest each time."""
        ordered = sorted(ids, reverse=bool(sort) and sort[-1].startswith("-"))
        for code in reversed(sort):
            down, name = code.startswith("-"), code.removeprefix("-")
            marks = {id_: self._sort_value(type_, id_, name, down=down) for id_ in ordered}
            valued = [id_ for id_ in ordered if marks[id_] is not None]
            ordered = sorted(valued, key=lambda id_: marks[id_], reverse=down) + [
                id_ for id_ in ordered if marks[id_] is None
            ]
        return ordered

    def _sort_value(self, type_: str, id_: str, code: str, *, down: bool) -> Any:
        if code == "_id":
            return id_
        parameter = defined(type_, code)
        assert parameter is not None
        marks = [mark for one in self.values(type_, id_, code) for mark in sort_marks(parameter.kind, one, down=down)]
        return (max if down else min)(marks, default=None)


def fits(kind: str, value: Any) -> bool:
    """Whether a parameter of this kind looks at such a value."""
    match kind:
        case "token":
            named = is_shaped(value, "Identifier") and isinstance(value.get("value", ""), str)
            coded = is_contact(value) or is_shaped(value, "CodeableConcept", "Coding")
            return isinstance(value, str | bool) or coded or named
        case "reference":
            return isinstance(value, str) or is_shaped(value, "Reference")
        case "string":
            return isinstance(value, str) or is_shaped(value, "HumanName", "Address")
        case "date":
            return (isinstance(value, str) and _is_date(value)) or is_shaped(value, "Period", "Timing")
        case "quantity":
            return is_shaped(value, "Quantity", "Range", "Money") or "origin" in value
        case "number":
            return isinstance(value, int | float | Decimal) or is_shaped(value, "Range")
    return isinstance(value, str)


def _is_date(text: str) -> bool:
    try:
        return bool(dates.read(text))
    except ValueError:
        return False


def is_contact(value: Any) -> bool:
    """Whether a value is a ContactPoint."""
    return isinstance(value, dict) and ("rank" in value or value.get("system") in CONTACTS)


def options(value: str) -> list[str]:
    """The values of an OR list, escapes kept."""
    return re.findall(r"(?:\\.|[^,\\])+", value)


def plain(text: str) -> str:
    """A value without its escapes."""
    return re.sub(r"\\(.)", r"\1", text)


def parted(text: str, mark: str) -> list[str]:
    """The parts between unescaped marks."""
    return re.split(rf"(?<!\\)\{mark}", text)


def _fits_option(parameter: Defined, modifier: str, value: Any, option: str) -> bool:
    match parameter.kind:
        case "composite":
            tokens, others, kind = value
            one, two = parted(option, "$")
            return any(_token(token, plain(one)) for token in tokens) and any(
                KINDS[kind](other, two if kind == "quantity" else plain(two)) for other in others
            )
        case "token" if modifier == "of-type":
            return is_shaped(value, "Identifier") and any(
                f"{coding.get('system', '')}|{coding.get('code')}|{value.get('value')}" == plain(option)
                for coding in value.get("type", {}).get("coding", ())
            )
        case "token" if modifier == "text":
            return any(words.plain(plain(option)) in words.plain(text) for text in _told(value))
        case "string":
            return _string(value, plain(option), modifier)
        case "reference" if modifier == "identifier":
            return is_shaped(value, "Reference") and _token(value.get("identifier", {}), plain(option))
        case "reference":
            return _reference(value, plain(option), (modifier,) if modifier else parameter.targets)
    return KINDS[parameter.kind](value, option if parameter.kind == "quantity" else plain(option))


def _told(value: Any) -> list[str]:
    codings = value.get("coding", [value]) if isinstance(value, dict) else []
    texts = [value.get("text"), *(coding.get("display") for coding in codings)] if codings else []
    return [text for text in texts if text]


def codings(value: Any) -> list[tuple[str | None, str | None]]:
    """System and code of each token there is in a value."""
    if isinstance(value, bool):
        return [(None, str(value).lower())]
    if isinstance(value, str):
        return [(None, value)]
    if is_contact(value):
        return [(None, value.get("value"))]
    if "coding" in value or set(value) <= {"text", "id", "extension"}:
        return [(one.get("system"), one.get("code")) for one in value.get("coding", ())]
    return [(value.get("system"), value.get("value", value.get("code")))]


def _token(value: Any, option: str) -> bool:
    system, bar, code = option.rpartition("|")
    for of, one in codings(value):
        if (not bar or (of or "") == system) and (one == code or (bar and system and not code)):
            return True
    return False


def _string(value: Any, text: str, modifier: str) -> bool:
    texts = strings(value)
    if modifier == "exact":
        return text in texts
    asked = words.plain(text)
    if modifier == "contains":
        return any(asked in words.plain(one) for one in texts)
    return any(words.plain(one).startswith(asked) for one in texts)


def strings(value: Any) -> list[str]:
    """The texts inside a name, an address or a string."""
    if isinstance(value, str):
        return [value]
    parts = [value.get(name) for name in (*words.NAME_PARTS, *words.ADDRESS_PARTS)]
    return [text for part in parts if part for text in ([part] if isinstance(part, str) else part) if text]


def form_of(value: Any) -> str | None:
    """`Type/id` of a reference without its version, others as they stand."""
    text = value.get("reference") if isinstance(value, dict) else value
    if not text or text.startswith("#"):
        return None
    local = LOCAL.fullmatch(text)
    return f"{local[1]}/{local[2]}" if local else str(text)


def _reference(value: Any, option: str, targets: Sequence[str]) -> bool:
    form = form_of(value)
    if isinstance(value, str):
        return form is not None and option in {form, form.partition("|")[0]}
    if LOCAL.fullmatch(option):
        return form == form_of(option)
    return form == option or form in {f"{target}/{option}" for target in targets}


def spans(value: Any) -> Iterator[Range]:
    """The times a value covers."""
    if found := dates.of(value, "dateTime" if isinstance(value, str) else _time_type(value)):
        yield found


def _time_type(value: dict[str, Any]) -> str:
    return "Period" if is_shaped(value, "Period") else "Timing"


def _date(value: Any, option: str) -> bool:
    prefix = option[:2] if option[:2].isalpha() else "eq"
    asked = dates.read(option.removeprefix(prefix))
    return any(_is_then(prefix, asked, one) for one in spans(value))


def _is_then(prefix: str, asked: Range, one: Range) -> bool:
    inside = asked.lo <= one.lo and one.hi <= asked.hi
    return {
        "eq": inside,
        "ne": not inside,
        "gt": one.hi > asked.hi,
        "lt": one.lo < asked.lo,
        "ge": one.hi > asked.hi or inside,
        "le": one.lo < asked.lo or inside,
        "sa": one.lo >= asked.hi,
        "eb": one.hi <= asked.lo,
    }[prefix]


INFINITE = Decimal("Infinity")
EXACT = Context(prec=400)


def span(value: Any) -> tuple[Decimal, Decimal]:
    """From the least a number may be to the most."""
    if not isinstance(value, dict):
        return Decimal(str(value)), Decimal(str(value))
    if "low" in value or "high" in value:
        low, high = (value.get(end, {}).get("value") for end in ("low", "high"))
        return (
            -INFINITE if low is None else Decimal(str(low)),
            INFINITE if high is None else Decimal(str(high)),
        )
    if "origin" in value:
        zero, factor = (Decimal(str(one)) for one in (value["origin"]["value"], value.get("factor", 1)))
        told = [zero + factor * Decimal(step) for step in value["data"].split() if step not in {"E", "U", "L"}]
        return (-INFINITE if "L" in value["data"] else min(told), INFINITE if "U" in value["data"] else max(told))
    exact = Decimal(str(value["value"]))
    comparator = value.get("comparator", "")
    return (-INFINITE if "<" in comparator else exact, INFINITE if ">" in comparator else exact)


def _number(value: Any, option: str) -> bool:
    prefix = option[:2] if option[:2].isalpha() else "eq"
    text = option.removeprefix(prefix)
    asked = Decimal(text)
    half = Decimal(10) ** int(asked.as_tuple().exponent) / 2
    lo, hi = span(value)
    inside = asked - half <= lo and hi < asked + half
    about = abs(asked) / 10
    return {
        "eq": inside,
        "ne": not inside,
        "gt": hi > asked,
        "lt": lo < asked,
        "ge": hi >= asked,
        "le": lo <= asked,
        "sa": lo > asked,
        "eb": hi < asked,
        "ap": lo <= asked + about and hi >= asked - about,
    }[prefix]


def has_number(value: Any) -> bool:
    """Whether there is a number in a quantity at all."""
    return not isinstance(value, dict) or any(key in value for key in ("value", "low", "high", "data"))


def _quantity(value: Any, option: str) -> bool:
    number, *unit = (plain(part) for part in parted(option, "|"))
    if not has_number(value) or not _number(value, number):
        return False
    if not unit:
        return True
    told = value.get("low") or value.get("high") or value.get("origin") or value
    if "currency" in value:
        told = {"system": "urn:iso:std:iso:4217", "code": value["currency"]}
    if not unit[0]:
        return unit[1] in {told.get("code"), told.get("unit")}
    return told.get("system") == unit[0] and unit[1] in {"", told.get("code")}


KINDS: Mapping[str, Callable[[Any, str], bool]] = {
    "token": _token,
    "string": lambda value, option: _string(value, option, ""),
    "reference": lambda value, option: _reference(value, option, ()),
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "uri": lambda value, option: option in {value, value.partition("|")[0]},
}


def sort_marks(kind: str, value: Any, *, down: bool) -> list[Any]:
    """What a value counts for in an order."""
    match kind:
        case "string":
            return [words.plain(text) for text in strings(value)]
        case "date":
            return [one.lo for one in spans(value) if one.lo > dates.BEGINNING]
        case "number" | "quantity":
            ends = sorted(end for end in span(value) if end.is_finite()) if has_number(value) else []
            return ends[-1:] if down else ends[:1]
        case "token":
            return [code for _, code in codings(value) if code is not None]
        case "reference":
            return [form for form in [form_of(value)] if form]
    return [value]
