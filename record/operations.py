"""What an operation is given: a Parameters resource, or the address's own parameters (https://hl7.org/fhir/R4/operations.html)."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request

from record.negotiation import PRESENTATION, sends_json
from record.validation import check


def parameters_in(request: Request, body: bytes) -> dict[str, Any]:
    """Name -> value; a name that comes several times has a list, a part has such a dict, a resource is a dict.

    Raises UnsupportedMedia, NotJson, IdMismatch, ResourceInvalid.
    """
    if request.method == "GET":
        pairs = request.query_params.multi_items()
        return _gathered((name, value) for name, value in pairs if name not in PRESENTATION)
    if not body:
        return {}
    sends_json(request)
    return _of(check(body, type="Parameters").get("parameter", ()))


def _of(parameters: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return _gathered((parameter["name"], _value(parameter)) for parameter in parameters)


def _value(parameter: Mapping[str, Any]) -> Any:
    if "resource" in parameter:
        return parameter["resource"]
    if "part" in parameter:
        return _of(parameter["part"])
    return next((value for name, value in parameter.items() if name.startswith("value")), None)


def _gathered(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Each name's value, or the list of its values."""
    lists: dict[str, list[Any]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in lists.items()}
