"""Values compared as https://hl7.org/fhir/R4/search.html reads plainly; where FHIR leaves a choice, it is the one that
`record.search.criteria`, `record.search.beside` and `record.search.sorting` name.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from record.index import dates, words
from record.index.dates import Range

LOCAL = re.compile(r"([A-Z]\w+)/([A-Za-z0-9.-]+)(/_history/.*)?")
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


def matches_option(kind: str, targets: Sequence[str], modifier: str, value: Any, option: str) -> bool:
    """Whether a value is what one option of a search asks for."""
    match kind:
        case "composite":
            tokens, others, of = value
            one, two = parted(option, "$")
            return any(_token(token, plain(one)) for token in tokens) and any(
                KINDS[of](other, two if of == "quantity" else plain(two)) for other in others
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
            return _reference(value, plain(option), (modifier,) if modifier else targets)
    return KINDS[kind](value, option if kind == "quantity" else plain(option))


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
