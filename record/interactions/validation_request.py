"""What a `$validate` is asked to judge: a resource by itself or in Parameters, or the one in the address.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kernel.failures import Failure
from record.failures import CodeInvalid, OperationParameterUnknown, ResourceInvalid
from record.validation.checking import LARGE, faults_of, together
from record.validation.parsing import parsed

MODES = ("create", "update", "delete", "profile")
TAKEN = "It takes: mode, profile, resource."

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged, and as what. `faults` is what kept the resource from being read at all."""

    type: str
    id: str | None
    resource: Resource | None = None
    mode: str | None = None
    profile: str | None = None
    large: bool = False
    faults: tuple[Failure, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was sent to judge."""
        return self.resource is None and not self.faults


def read_request(type_: str, id_: str | None, body: bytes, query: Mapping[str, str]) -> Asked:
    """Body and address together. Raises NotJson, OperationParameterUnknown, CodeInvalid, and what breaks Parameters."""
    asked = _as(Asked(type_, id_, large=len(body) > LARGE), query)
    if not body:
        return asked
    try:
        content = parsed(body)
    except ResourceInvalid as fault:
        return replace(asked, faults=(fault,))
    return (
        _unwrapped(asked, content) if content.get("resourceType") == "Parameters" else replace(asked, resource=content)
    )


def _unwrapped(asked: Asked, parameters: Resource) -> Asked:
    """What Parameters hold. The resource among them is left for judgement: only what is around it is refused here."""
    given = parameters.get("parameter", ())
    listed = given if isinstance(given, list) else []
    inner = [one for one in listed if isinstance(one, dict) and "resource" in one]
    rest = [one for one in listed if one not in inner]
    around = {name: value for name, value in parameters.items() if name != "parameter" or not inner}
    if faults := faults_of({**around, "parameter": rest} if inner and rest else around):
        raise together(faults)
    if len(inner) > 1 or any(one.get("name") != "resource" or not isinstance(one["resource"], dict) for one in inner):
        raise OperationParameterUnknown("It takes one resource, under the name resource.")
    said = {str(one["name"]): next((v for k, v in one.items() if k.startswith("value")), "") for one in rest}
    return _as(replace(asked, resource=inner[0]["resource"] if inner else None), said)


def _as(asked: Asked, said: Mapping[str, Any]) -> Asked:
    if said.keys() - {"mode", "profile"}:
        raise OperationParameterUnknown(TAKEN)
    if said.get("mode", MODES[0]) not in MODES:
        raise CodeInvalid(f"As mode: {', '.join(MODES)}.")
    return replace(asked, mode=said.get("mode", asked.mode), profile=said.get("profile", asked.profile))
