"""The values of search parameters as they are written: lists, escapes, dates, numbers, references.

https://hl7.org/fhir/R4/search.html#escaping
"""

import re
from datetime import datetime, timedelta
from decimal import Context, Decimal

from kernel.database import PLAIN_ID
from record.failures import SearchTooLarge, ValueUnreadable
from record.index import dates, keys
from record.index.dates import END, Range
from record.index.parameters import Parameter
from record.search.criterion import Amount, Moment

MOST_VALUES = 200
PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
LETTERS = re.compile(r"\\.|.", re.DOTALL)
NUMBER = re.compile(r"[+-]?[0-9]{1,60}(?:\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,3})?")
QUANTITY_PARTS = 3
EXACT = Context(prec=130)
"""Digits enough for the longest number that is read."""


def shown(name: str) -> str:
    """A parameter's name as it may be quoted back: names only, never something a person typed as a value."""
    return name if re.fullmatch(r"[A-Za-z_.\-]{1,40}", name) else "?"


def listed(text: str, code: str) -> list[str]:
    """The values of an OR list, escapes kept. Raises SearchTooLarge, ValueUnreadable."""
    values = split(text, ",")
    if len(values) > MOST_VALUES:
        raise SearchTooLarge(f"'{shown(code)}' may list {MOST_VALUES} values.")
    if not all(values):
        raise ValueUnreadable(f"'{shown(code)}' lists an empty value.")
    return values


def split(text: str, mark: str) -> list[str]:
    """The parts between the marks; a backslash keeps the mark after it."""
    if "\\" not in text:
        return text.split(mark)
    parts = [""]
    for letter in LETTERS.findall(text):
        if letter == mark:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def plain(text: str) -> str:
    """A value with its escapes resolved."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def boolean(value: str, code: str) -> bool:
    """`true` or `false`. Raises ValueUnreadable."""
    if value not in {"true", "false"}:
        raise ValueUnreadable(f"'{shown(code)}:missing' must be true or false.")
    return value == "true"


def references(parameter: Parameter, type_: str, value: str) -> list[str]:
    """The forms a reference value may stand for: a bare id may be of each type the parameter points at.

    Raises ValueUnreadable.
    """
    form = keys.reference_form(value)
    if form is None:
        raise ValueUnreadable(f"'{parameter.code}' must be a reference such as Patient/123.")
    if local := keys.RELATIVE.fullmatch(form):
        return [form] if type_ in {"", local[1]} else []
    if "/" in form or ":" in form or not PLAIN_ID.fullmatch(form):
        return [form]
    targets = (type_,) if type_ else parameter.targets
    if not targets:
        raise ValueUnreadable(f"'{parameter.code}' points at many types: name one, such as Patient/123.")
    return [f"{target}/{form}" for target in targets]


def moment(value: str, code: str, now: datetime) -> Moment:
    """A date with its prefix. Raises ValueUnreadable."""
    prefix, text = _prefixed(value)
    try:
        # A plus sign that came through a form as a space is still a plus sign.
        range_ = dates.read(text.replace(" ", "+"))
    except ValueError:
        raise ValueUnreadable(
            f"'{shown(code)}' must be a date such as 2026-11-25, with a prefix such as ge at most."
        ) from None
    return Moment(prefix, _widened(range_, now) if prefix == "ap" else range_)


def _prefixed(value: str) -> tuple[str, str]:
    return (value[:2], value[2:]) if value[:2] in PREFIXES else ("eq", value)


def _widened(range_: Range, now: datetime) -> Range:
    """About then: a tenth of the distance from today, a day at least, on both sides."""
    distance = max(abs(now - range_.lo) / 10, timedelta(days=1))
    early = range_.lo - distance if range_.lo - dates.BEGINNING > distance else dates.BEGINNING
    return Range(early, range_.hi + distance if END - range_.hi > distance else END)


def amount(value: str, code: str) -> Amount:
    """A number with its prefix; as written it means half of its last digit more or less. Raises ValueUnreadable."""
    prefix, text = _prefixed(value)
    # A plus sign that came through a form as a space is still a plus sign.
    text = f"+{text[1:]}" if text.startswith(" ") else text
    if not NUMBER.fullmatch(text):
        raise ValueUnreadable(f"'{shown(code)}' must be a number such as 5.4, with a prefix such as ge at most.")
    number = Decimal(text)
    return Amount(prefix, number, _meant(prefix, number))


def _meant(prefix: str, number: Decimal) -> tuple[Decimal, Decimal]:
    """What a number as written may mean; about a number is a tenth of it more or less."""
    tenth = number.copy_abs().scaleb(-1, EXACT)
    half = tenth if prefix == "ap" else Decimal((0, (5,), int(number.as_tuple().exponent) - 1))
    return EXACT.subtract(number, half), EXACT.add(number, half)


def quantity(value: str, code: str) -> Amount:
    """`5.4`, `5.4|system|code` or `5.4||unit`, with a prefix at most. Raises ValueUnreadable."""
    parts = [plain(part) for part in split(value, "|")]
    asked = amount(parts[0], code)
    if len(parts) == 1:
        return asked
    if len(parts) != QUANTITY_PARTS or not (parts[1] or parts[2]):
        raise ValueUnreadable(f"'{shown(code)}' must be a number, or number|system|code, or number||unit.")
    return Amount(asked.prefix, asked.value, asked.inside, parts[1] or None, parts[2] or None)
