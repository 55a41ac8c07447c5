"""What an operation takes and gives, said beside its route, and the parameters a request really brings.

https://hl7.org/fhir/R4/operations.html, https://hl7.org/fhir/R4/operationdefinition.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from record.canonical import BASE
from record.failures import OperationParameterUnknown
from record.interactions.interaction import PRESENTATION
from record.interactions.negotiation import sends_json
from record.validation.checking import check

OPERATION = "x-fhir-operation"
"""Under this name the route of an operation carries its `Operation`."""
MANY = "*"


@dataclass(frozen=True, slots=True)
class Given:
    """One parameter of an operation, taken (`in`) or given back (`out`)."""

    use: str
    name: str
    type: str
    """A FHIR type; of a reference also to what, as in `Reference(Patient)`."""
    min: int = 0
    max: str = "1"
    parts: tuple["Given", ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """What is published of an operation besides its route."""

    parameters: tuple[Given, ...] = ()
    defined: str = ""
    """The canonical address of its definition, where a standard has one; else ours is made of type and name."""

    def canonical(self, type_: str, name: str) -> str:
        """The address under which this operation of a type, or of the system, is known."""
        return self.defined or f"{BASE}/OperationDefinition/{type_ or 'System'}-{name}"

    @property
    def taken(self) -> frozenset[str]:
        """Names of the parameters it takes."""
        return frozenset(parameter.name for parameter in self.parameters if parameter.use == "in")


def operation(*parameters: Given, defined: str = "") -> dict[str, Any]:
    """The mark of an operation's route: `openapi_extra=operation(needs(...), gives(...))`."""
    return {OPERATION: Operation(parameters, defined)}


def needs(name: str, type: str, *parts: Given, max: str = "1") -> Given:
    """A parameter that must be there."""
    return Given("in", name, type, 1, max, parts)


def takes(name: str, type: str, *parts: Given, max: str = "1") -> Given:
    """A parameter that may be there."""
    return Given("in", name, type, 0, max, parts)


def gives(type: str, name: str = "return", *, min: int = 1, max: str = "1") -> Given:
    """What comes back: one resource as `return`, or a parameter of the Parameters that come back."""
    return Given("out", name, type, min, max)


def parameters_in(request: Request, body: bytes) -> dict[str, Any]:
    """Name -> value; a name that comes several times has a list, a part has such a dict, a resource is a dict.

    Raises UnsupportedMedia, NotJson, IdMismatch, ResourceInvalid, OperationParameterUnknown.
    """
    given = _given(request, body)
    said = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    if OPERATION in said and given.keys() - said[OPERATION].taken:
        raise OperationParameterUnknown(f"It takes: {', '.join(sorted(said[OPERATION].taken)) or 'none'}.")
    return given


def _given(request: Request, body: bytes) -> dict[str, Any]:
    if request.method in {"GET", "HEAD"}:
        pairs = request.query_params.multi_items()
        return _gathered((name, value) for name, value in pairs if name not in PRESENTATION)
    if not body:
        return {}
    sends_json(request.headers.get("content-type", ""))
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
