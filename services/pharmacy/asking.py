"""What an operation's parameters ask for, as the use cases need it; what is missing is named."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from services.pharmacy.failures import ParameterMissing, QuantityUnfit
from services.pharmacy.order import Item

Parameters = Mapping[str, Any]


def text(given: Parameters, name: str) -> str:
    """A parameter's text. Raises ParameterMissing."""
    value = given.get(name)
    if not isinstance(value, str):
        raise ParameterMissing(f"'{name}' is missing, or is not one text.")
    return value


def words(given: Parameters, name: str) -> str:
    """A parameter's text where it may be left out."""
    return text(given, name) if name in given else ""


def reference(given: Parameters, name: str, type: str) -> str:
    """The `Type/id` a parameter refers to. Raises ParameterMissing."""
    value = given.get(name)
    named = value.get("reference") if isinstance(value, Mapping) else None
    if not isinstance(named, str) or not named.startswith(f"{type}/") or named.count("/") != 1:
        raise ParameterMissing(f"'{name}' is missing, or is not one reference such as {type}/123.")
    return named


def items(body: Parameters) -> list[Item]:
    """What $dispense hands over, from the Parameters resource itself so that quantities stay exact.

    Raises ParameterMissing, QuantityUnfit.
    """
    found = [_item(parameter) for parameter in body.get("parameter", ()) if parameter.get("name") == "item"]
    if not found:
        raise ParameterMissing("'item' is missing.")
    return found


def _item(parameter: Parameters) -> Item:
    parts = dict(_parts(parameter))
    request = reference(parts, "request", "MedicationRequest")
    quantity = parts.get("quantity")
    value = quantity.get("value") if isinstance(quantity, Mapping) else None
    if not isinstance(quantity, Mapping) or not isinstance(value, Decimal):
        raise QuantityUnfit(request)
    return Item(request.partition("/")[2], value, str(quantity.get("code") or quantity.get("unit") or ""))


def _parts(parameter: Parameters) -> Iterator[tuple[str, Any]]:
    for part in parameter.get("part", ()):
        yield part["name"], part.get("valueReference", part.get("valueQuantity"))
