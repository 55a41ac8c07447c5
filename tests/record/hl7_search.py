"""HL7's own search expressions, evaluated by fhirpathpy: what our compiled walks are held against."""

import copy
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from fhirpathpy import compile, evaluate
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

from record import definitions
from record.index.keys import reference_type
from record.index.parameters import OUR_OWN, Parameter

Resource = dict[str, Any]
BY_URL = {one["url"]: one for one in definitions.search_parameters()}


def _resolve(inputs: list[Any]) -> list[Any]:
    """What a reference leads to, as far as its own words tell."""
    types = (reference_type(one) for one in inputs)
    return [ResourceNode.create_node({"resourceType": type_}, type_) for type_ in types if type_]  # type: ignore[no-untyped-call]


OPTIONS = {"userInvocationTable": {"resolve": {"fn": _resolve, "arity": {0: []}}}}


def found(parameter: Parameter, resource: Resource) -> list[Any]:
    """The values HL7's expression finds in a resource."""
    return list(_compiled(parameter.type, expression(parameter))(copy.deepcopy(resource)))


def found_together(parameter: Parameter, resource: Resource) -> list[tuple[list[Any], list[Any]]]:
    """For each group of a composite, what its two components find."""
    parts = [_spelt(part["expression"]) for part in BY_URL[parameter.url]["component"]]
    together = []
    for path in parameter.paths:
        for group in evaluate(copy.deepcopy(resource), path.spelling, None, models["r4"]):
            one, two = (
                evaluate(group, {"base": path.type, "expression": part}, None, models["r4"], OPTIONS) for part in parts
            )
            together.append((one, two))
    return together


def expression(parameter: Parameter) -> str:
    """HL7's expression, or our own where HL7 has none."""
    own = OUR_OWN.get((parameter.type, parameter.code))
    return own[1] if own else str(BY_URL[parameter.url]["expression"])


@cache
def _compiled(type_: str, expression: str) -> Callable[[Resource], list[Any]]:
    about = [part for part in expression.split(" | ") if re.search(rf"\b({type_}|Resource)\.", part)]
    spelt = _spelt(" | ".join(about)).replace("Resource.", f"{type_}.")
    return compile(spelt, models["r4"], OPTIONS)  # type: ignore[return-value]


def _spelt(expression: str) -> str:
    """HL7 once spells a primitive type with a capital."""
    return expression.replace("DateTime)", "dateTime)")
